-- Membership, asked by the policies; security definer so that the policies do not ask themselves.
CREATE OR REPLACE FUNCTION public.is_channel_member(_channel integer)
RETURNS boolean
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = public
AS $$
  SELECT EXISTS (
    SELECT 1 FROM "ChannelMember" m WHERE m."channelId" = _channel AND m."userId" = auth.uid()
  );
$$;

CREATE OR REPLACE FUNCTION public.workspace_role(_workspace integer)
RETURNS "MemberRole"
LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO 'public'
AS $function$
  SELECT "role" FROM "WorkspaceMember" WHERE "workspaceId" = _workspace AND "userId" = (SELECT auth.uid())
$function$;

CREATE OR REPLACE FUNCTION public.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."updatedAt" := now();
  RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION public.count_message() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE "Channel" SET "messageCount" = "messageCount" + 1,
      "lastMessageAt" = GREATEST("lastMessageAt", NEW."sentAt") WHERE "id" = NEW."channelId";
    RETURN NEW;
  ELSE
    UPDATE "Channel" SET "messageCount" = "messageCount" - 1 WHERE "id" = OLD."channelId";
    RETURN OLD;
  END IF;
END;
$$;

CREATE OR REPLACE FUNCTION public.keep_revision() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  INSERT INTO "MessageRevision" ("messageId", "revision", "body")
  SELECT OLD."id", COUNT(*) + 1, OLD."body" FROM "MessageRevision" WHERE "messageId" = OLD."id";
  NEW."editedAt" := now();
  RETURN NEW;
END;
$$;

CREATE OR REPLACE FUNCTION public.check_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."body" := btrim(NEW."body");
  IF NEW."body" = '' THEN
    RAISE EXCEPTION 'a message cannot be empty' USING ERRCODE = '22000', HINT = 'Write something.';
  END IF;
  IF EXISTS (SELECT 1 FROM "Channel" c WHERE c."id" = NEW."channelId" AND c."isArchived") THEN
    RAISE EXCEPTION 'channel % is archived', NEW."channelId";
  END IF;
  RETURN NEW;
END;
$$;

CREATE OR REPLACE FUNCTION public.audit_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  INSERT INTO "AuditLog" ("tableName", "action", "rowKey")
  VALUES (TG_TABLE_NAME, TG_OP, COALESCE(NEW."userId", OLD."userId")::text);
  RETURN COALESCE(NEW, OLD);
END;
$$;

CREATE TRIGGER "User_updated" BEFORE UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER "Draft_updated" BEFORE UPDATE ON "Draft" FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER "Message_counted" AFTER INSERT OR DELETE ON "Message" FOR EACH ROW EXECUTE FUNCTION count_message();
CREATE TRIGGER "Message_checked" BEFORE INSERT ON "Message" FOR EACH ROW EXECUTE FUNCTION check_message();
CREATE TRIGGER "Message_revised" BEFORE UPDATE OF "body" ON "Message" FOR EACH ROW
  WHEN (OLD."body" IS DISTINCT FROM NEW."body") EXECUTE FUNCTION keep_revision();
CREATE TRIGGER "WorkspaceMember_audited" AFTER INSERT OR UPDATE OR DELETE ON "WorkspaceMember"
  FOR EACH ROW EXECUTE FUNCTION audit_member();

CREATE VIEW "ChannelSummary" AS
SELECT c."id", c."name", c."kind", c."messageCount",
       (SELECT m."body" FROM "Message" m WHERE m."channelId" = c."id" AND m."deletedAt" IS NULL ORDER BY m."sentAt" DESC, m."id" DESC LIMIT 1) AS "lastBody",
       (SELECT count(*)::int FROM "ChannelMember" cm WHERE cm."channelId" = c."id") AS "memberCount"
FROM "Channel" c
WHERE NOT c."isArchived";

CREATE VIEW "ReactionCount" AS
SELECT "messageId", "emoji", count(*) AS "count" FROM "Reaction" GROUP BY "messageId", "emoji";

CREATE VIEW "MessageFeed" WITH (security_invoker=on) AS
SELECT m."id", m."channelId", u."handle" AS "author", CASE WHEN m."deletedAt" IS NULL THEN m."body" ELSE '(deleted)' END AS "body", m."sentAt"
FROM "Message" m LEFT JOIN "User" u ON u."id" = m."authorId";

CREATE VIEW "BusyChannel" AS
SELECT s."name", s."memberCount" FROM "ChannelSummary" s WHERE s."messageCount" >= 2;

CREATE FUNCTION send_message(channel integer, text text, in_reply_to bigint DEFAULT NULL)
RETURNS "Message" LANGUAGE sql VOLATILE AS $$
  INSERT INTO "Message" ("channelId", "authorId", "parentId", "body")
  VALUES (channel, auth.uid(), in_reply_to, text)
  RETURNING *;
$$;

CREATE FUNCTION unread_count(channel integer) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT count(*) FROM "Message" m
  WHERE m."channelId" = channel
    AND m."id" > COALESCE((SELECT r."lastReadId" FROM "ReadReceipt" r WHERE r."channelId" = channel AND r."userId" = auth.uid()), 0);
$$;

CREATE FUNCTION search_messages(term text, "limit" integer DEFAULT 20)
RETURNS SETOF "Message" LANGUAGE sql STABLE AS $$
  SELECT * FROM "Message" WHERE "body" ILIKE '%' || term || '%' ORDER BY "id" LIMIT "limit";
$$;

CREATE FUNCTION poll_result(poll integer) RETURNS TABLE ("label" text, "votes" bigint)
LANGUAGE sql STABLE AS $$
  SELECT o."label", count(v."userId") FROM "PollOption" o
  LEFT JOIN "PollVote" v ON v."pollId" = o."pollId" AND v."position" = o."position"
  WHERE o."pollId" = poll GROUP BY o."position", o."label" ORDER BY o."position";
$$;
