GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
GRANT ALL ON ALL TABLES IN SCHEMA public TO anon, authenticated, service_role;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO anon, authenticated, service_role;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO anon, authenticated, service_role;
REVOKE ALL ON TABLE "AuditLog" FROM anon, authenticated;
REVOKE ALL ON TABLE "Session" FROM anon, authenticated;

ALTER TABLE "User" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Profile" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Device" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Contact" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Block" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Workspace" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "WorkspaceMember" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Channel" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "ChannelMember" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Message" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Reaction" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Attachment" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "ReadReceipt" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Draft" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Notification" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Invitation" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Report" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Bookmark" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Bot" ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Users are visible to signed-in users" ON public."User" AS PERMISSIVE FOR SELECT TO authenticated USING (true);
CREATE POLICY "Users change themselves" ON "User" FOR UPDATE TO authenticated
  USING ((SELECT auth.uid()) = "id") WITH CHECK ((SELECT auth.uid()) = "id");
CREATE POLICY "Profiles follow users" ON "Profile" FOR SELECT TO authenticated
  USING (NOT EXISTS (SELECT 1 FROM "Block" b WHERE b."blockerId" = "Profile"."userId" AND b."blockedId" = auth.uid()));
CREATE POLICY "Own profile" ON "Profile" FOR ALL TO authenticated USING (auth.uid() = "userId") WITH CHECK (auth.uid() = "userId");
CREATE POLICY "Own devices" ON "Device" TO authenticated USING ("userId" = auth.uid());
CREATE POLICY "Own contacts" ON "Contact" TO authenticated USING ("ownerId" = auth.uid());
CREATE POLICY "Own blocks" ON "Block" TO authenticated USING (auth.uid() IN ("blockerId"));
CREATE POLICY "Members see workspaces" ON "Workspace" FOR SELECT TO authenticated USING (workspace_role("id") IS NOT NULL);
CREATE POLICY "Owners change workspaces" ON "Workspace" FOR UPDATE TO authenticated
  USING (workspace_role("id") = 'owner') WITH CHECK (workspace_role("id") = 'owner');
CREATE POLICY "Members see members" ON "WorkspaceMember" FOR SELECT TO authenticated USING (workspace_role("workspaceId") IS NOT NULL);
CREATE POLICY "Admins add members" ON "WorkspaceMember" FOR INSERT TO authenticated
  WITH CHECK (workspace_role("workspaceId") IN ('owner', 'admin'));
CREATE POLICY "Public channels of my workspaces" ON "Channel" FOR SELECT TO authenticated
  USING ("kind" = 'public' AND "workspaceId" IN (SELECT "workspaceId" FROM "WorkspaceMember" WHERE "userId" = (SELECT auth.uid())));
CREATE POLICY "My channels" ON "Channel" FOR SELECT TO authenticated USING (is_channel_member("id"));
CREATE POLICY "Fellow members" ON "ChannelMember" FOR SELECT TO authenticated USING (is_channel_member("channelId"));
CREATE POLICY "Read where I am a member" ON "Message" FOR SELECT TO authenticated USING (is_channel_member("channelId"));
CREATE POLICY "Write where I am a member" ON "Message" FOR INSERT TO authenticated
  WITH CHECK (is_channel_member("channelId") AND "authorId" = auth.uid());
CREATE POLICY "Edit my own" ON "Message" FOR UPDATE TO authenticated USING ("authorId" = auth.uid());
CREATE POLICY "Nothing from whom I blocked" ON "Message" AS RESTRICTIVE FOR SELECT TO authenticated
  USING (NOT EXISTS (SELECT FROM "Block" b WHERE b."blockerId" = auth.uid() AND b."blockedId" = "authorId"));
CREATE POLICY "Reactions" ON "Reaction" FOR SELECT TO authenticated
  USING (EXISTS (SELECT 1 FROM "Message" m WHERE m."id" = "Reaction"."messageId"));
CREATE POLICY "React" ON "Reaction" FOR INSERT TO authenticated WITH CHECK ("userId" = auth.uid());
CREATE POLICY "Attachments" ON "Attachment" FOR SELECT TO authenticated
  USING ("messageId" IN (SELECT m."id" FROM "Message" m JOIN "ChannelMember" c ON c."channelId" = m."channelId" WHERE c."userId" = auth.uid()));
CREATE POLICY "Receipts" ON "ReadReceipt" TO authenticated USING ("userId" = auth.uid());
CREATE POLICY "Drafts" ON "Draft" TO authenticated USING ("userId" = auth.uid());
CREATE POLICY "Notifications" ON "Notification" FOR SELECT TO authenticated USING ("userId" = auth.uid());
CREATE POLICY "Mark as read" ON "Notification" FOR UPDATE TO authenticated USING ("userId" = auth.uid());
CREATE POLICY "Invited by email" ON "Invitation" FOR SELECT TO authenticated USING (lower("email") = lower(auth.jwt() ->> 'email'));
CREATE POLICY "Reports by moderators" ON "Report" FOR SELECT TO authenticated USING ((auth.jwt() -> 'app_metadata' ->> 'moderator')::boolean IS TRUE);
CREATE POLICY "Anyone reports" ON "Report" FOR INSERT TO authenticated WITH CHECK (coalesce("reporterId", auth.uid()) = auth.uid());
CREATE POLICY "Bookmarks" ON "Bookmark" TO authenticated USING ("userId" = auth.uid());
CREATE POLICY "Bots of workspaces" ON "Bot" FOR SELECT USING (auth.role() = 'authenticated');
