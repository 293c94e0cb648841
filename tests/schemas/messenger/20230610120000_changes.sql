-- AlterEnum
ALTER TYPE "Presence" ADD VALUE 'busy' BEFORE 'offline';
ALTER TYPE "MemberRole" RENAME VALUE 'member' TO 'participant';

-- AlterTable
ALTER TABLE "User" ADD COLUMN "email" TEXT,
ADD COLUMN     "lastSeenAt" TIMESTAMP(3);
UPDATE "User" SET "email" = "handle" || '@example.org' WHERE "email" IS NULL;
ALTER TABLE "User" ALTER COLUMN "email" SET NOT NULL;
CREATE UNIQUE INDEX "User_email_key" ON "User"(lower("email"));

ALTER TABLE "Channel" DROP COLUMN "topic";
ALTER TABLE "Channel" ADD COLUMN "description" VARCHAR(200) NOT NULL DEFAULT '', ADD CONSTRAINT "Channel_direct_has_no_name" CHECK ("kind" <> 'direct' OR "name" IS NULL);
ALTER TABLE "Notification" RENAME COLUMN "kind" TO "type";
ALTER TABLE "Device" ALTER COLUMN "id" TYPE BIGINT;
ALTER TABLE "Session" ALTER COLUMN "deviceId" SET DATA TYPE BIGINT;
ALTER TABLE "Attachment" DROP CONSTRAINT "Attachment_messageId_fkey";
ALTER TABLE "Attachment" ADD CONSTRAINT "Attachment_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "Pin" DROP CONSTRAINT "Pin_pkey";
ALTER TABLE "Pin" ADD COLUMN "id" SERIAL NOT NULL;
ALTER TABLE "Pin" ADD CONSTRAINT "Pin_pkey" PRIMARY KEY ("id");
CREATE UNIQUE INDEX "Pin_channelId_messageId_key" ON "Pin"("channelId", "messageId");
ALTER TABLE "Bookmark" RENAME TO "SavedMessage";
ALTER INDEX "Bookmark_pkey" RENAME TO "SavedMessage_pkey";
ALTER TABLE "Report" ALTER COLUMN "reason" TYPE VARCHAR(20), ALTER COLUMN "reason" SET DEFAULT 'other';
ALTER TABLE "StickerPack" ALTER COLUMN "price" TYPE INTEGER USING ("price" * 100)::integer;
ALTER TABLE "StickerPack" RENAME COLUMN "price" TO "priceCents";
DROP INDEX "Notification_userId_isRead_idx";
CREATE INDEX "Notification_unread_idx" ON "Notification"("userId", "createdAt" DESC) WHERE NOT "isRead";

CREATE OR REPLACE VIEW "ReactionCount" AS
SELECT "messageId", "emoji", count(*) AS "count", min("createdAt") AS "first" FROM "Reaction" GROUP BY "messageId", "emoji";
COMMENT ON VIEW "ReactionCount" IS 'How often each emoji was used';
COMMENT ON COLUMN "User"."email" IS 'Where mail goes';

CREATE TABLE "WorkspaceDomain" (
    "domain" TEXT PRIMARY KEY CHECK ("domain" = lower("domain")),
    "workspaceId" INTEGER NOT NULL REFERENCES "Workspace"("id") ON DELETE CASCADE
);
INSERT INTO "WorkspaceDomain" SELECT DISTINCT split_part("email", '@', 2), 1 FROM "User";
ALTER TABLE "WorkspaceDomain" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Domains are public" ON "WorkspaceDomain" FOR SELECT TO anon, authenticated USING (true);

CREATE OR REPLACE FUNCTION public.is_channel_member(_channel integer)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
AS $$
  SELECT EXISTS (SELECT 1 FROM "ChannelMember" m JOIN "Channel" c ON c."id" = m."channelId"
    WHERE m."channelId" = _channel AND m."userId" = auth.uid() AND NOT c."isArchived");
$$;
