ALTER TABLE "Message" ADD COLUMN "search" tsvector GENERATED ALWAYS AS (to_tsvector('simple', "body")) STORED;
CREATE INDEX "Message_search_idx" ON "Message" USING GIN ("search");

ALTER TABLE "User" ADD COLUMN "interests" TEXT[] DEFAULT ARRAY[]::TEXT[];

CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  INSERT INTO public."Profile" ("userId", "bio") VALUES (NEW."id", COALESCE(NEW."displayName", NEW."handle"));
  RETURN NEW;
END;
$$;
CREATE TRIGGER on_user_created AFTER INSERT ON "User" FOR EACH ROW EXECUTE PROCEDURE public.handle_new_user();

CREATE OR REPLACE FUNCTION archive_quiet_channels(quiet_days integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  archived integer;
BEGIN
  UPDATE "Channel" SET "isArchived" = true
  WHERE "lastMessageAt" < now() - make_interval(days => quiet_days);
  GET DIAGNOSTICS archived = ROW_COUNT;
  RETURN archived;
END;
$$;

CREATE PUBLICATION supabase_realtime FOR TABLE "Message", "Reaction";

TRUNCATE TABLE "WebhookDelivery";
INSERT INTO "User" ("id", "handle", "displayName", "email", "createdAt", "updatedAt")
VALUES ('00000000-0000-4000-8000-0000000000a4', 'dee', 'Dee', 'dee@example.org', '2023-09-01', '2023-09-01');
