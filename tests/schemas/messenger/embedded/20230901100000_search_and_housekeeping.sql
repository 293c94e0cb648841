ALTER TABLE "Message" ADD COLUMN "search" TEXT GENERATED ALWAYS AS (lower("body")) STORED;

ALTER TABLE "User" ADD COLUMN "interests" JSONB DEFAULT '[]';

CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
  INSERT INTO public."Profile" ("userId", "bio") VALUES (NEW."id", COALESCE(NEW."displayName", NEW."handle"));
  RETURN NEW;
END;
$$;
CREATE TRIGGER on_user_created AFTER INSERT ON "User" FOR EACH ROW EXECUTE PROCEDURE public.handle_new_user();

CREATE OR REPLACE FUNCTION archive_quiet_channels(quiet_days integer) RETURNS bigint
LANGUAGE sql AS $$
  UPDATE "Channel" SET "isArchived" = true WHERE "lastMessageAt" < now() - quiet_days * interval '1 day';
  SELECT count(*) FROM "Channel" WHERE "isArchived";
$$;


DELETE FROM "WebhookDelivery";
INSERT INTO "User" ("id", "handle", "displayName", "email", "createdAt", "updatedAt")
VALUES ('00000000-0000-4000-8000-0000000000a4', 'dee', 'Dee', 'dee@example.org', '2023-09-01', '2023-09-01');
