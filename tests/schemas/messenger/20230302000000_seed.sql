INSERT INTO "User" ("id", "handle", "displayName", "presence", "isBot", "createdAt", "updatedAt") VALUES
  ('00000000-0000-4000-8000-0000000000a1', 'ada', 'Ada', 'online', false, '2023-01-01 10:00:00', '2023-01-01 10:00:00.123'),
  ('00000000-0000-4000-8000-0000000000a2', 'bo', 'Bo', DEFAULT, false, '2023-01-02 10:00:00', '2023-01-02 10:00:00'),
  ('00000000-0000-4000-8000-0000000000a3', 'cy', 'Cy', 'away', false, '2023-01-03 10:00:00', '2023-01-03 10:00:00'),
  ('00000000-0000-4000-8000-0000000000b1', 'helper', 'Helper', 'online', true, '2023-01-04 10:00:00', '2023-01-04 10:00:00');
INSERT INTO "Profile" ("userId", "bio", "links", "bornOn")
  SELECT "id", 'I am ' || "displayName", jsonb_build_array('https://example.org/' || "handle"), NULL FROM "User" WHERE NOT "isBot";
INSERT INTO "Device" ("userId", "platform", "pushToken", "lastSeenAt") VALUES
  ('00000000-0000-4000-8000-0000000000a1', 'ios', 'tok-1', '2023-02-01T10:00:00Z'), ('00000000-0000-4000-8000-0000000000a1', 'web', NULL, NULL),
  ('00000000-0000-4000-8000-0000000000a2', 'android', 'tok-3', '2023-02-02T10:00:00+01:00');
INSERT INTO "Session" ("userId", "deviceId", "secretHash", "expiresAt") VALUES
  ('00000000-0000-4000-8000-0000000000a1', 1, '\xdeadbeef', '2030-01-01T00:00:00Z'), ('00000000-0000-4000-8000-0000000000a2', 3, '\x00ff', '2030-01-01T00:00:00Z');
INSERT INTO "Contact" VALUES ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000a2', 'Bobo', true),
  ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-0000000000a1', NULL, DEFAULT);
INSERT INTO "Block" VALUES ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-0000000000a3', '2023-02-10 00:00:00');
INSERT INTO "Workspace" ("name", "slug", "settings", "createdAt") VALUES
  ('Kestrel', 'kestrel', '{"theme": "dark", "retention": {"days": 90}}', '2023-01-05 00:00:00'), ('Other', 'other', DEFAULT, '2023-01-06 00:00:00');
INSERT INTO "WorkspaceMember" ("workspaceId", "userId", "role", "joinedAt") VALUES
  (1, '00000000-0000-4000-8000-0000000000a1', 'owner', '2023-01-05 00:00:00'), (1, '00000000-0000-4000-8000-0000000000a2', 'member', '2023-01-06 00:00:00'),
  (1, '00000000-0000-4000-8000-0000000000a3', 'member', '2023-01-07 00:00:00'), (2, '00000000-0000-4000-8000-0000000000a3', 'owner', '2023-01-07 00:00:00');
INSERT INTO "Channel" ("workspaceId", "kind", "name", "topic") VALUES
  (1, 'public', 'general', 'Everything'), (1, 'private', 'board', NULL), (1, 'direct', NULL, NULL), (2, 'public', 'general', 'Elsewhere');
INSERT INTO "ChannelMember" ("channelId", "userId", "role")
  SELECT c."id", m."userId", m."role" FROM "Channel" c JOIN "WorkspaceMember" m USING ("workspaceId") WHERE c."kind" = 'public';
INSERT INTO "ChannelMember" VALUES (2, '00000000-0000-4000-8000-0000000000a1', 'owner', DEFAULT), (3, '00000000-0000-4000-8000-0000000000a1', DEFAULT, false), (3, '00000000-0000-4000-8000-0000000000a2', DEFAULT, true);
INSERT INTO "Message" ("channelId", "authorId", "parentId", "body", "meta", "sentAt") VALUES
  (1, '00000000-0000-4000-8000-0000000000a1', NULL, '  Welcome, all!  ', NULL, '2023-02-01 09:00:00+00'),
  (1, '00000000-0000-4000-8000-0000000000a2', 1, 'Thanks 🎉', '{"client": "web"}', '2023-02-01 09:05:00+00'),
  (1, '00000000-0000-4000-8000-0000000000a3', NULL, 'spam spam', NULL, '2023-02-01 09:06:00+00'),
  (2, '00000000-0000-4000-8000-0000000000a1', NULL, 'Secret', NULL, '2023-02-02 10:00:00.5+00'),
  (3, '00000000-0000-4000-8000-0000000000a2', NULL, 'Hi Ada' || chr(10) || 'how are you?', NULL, '2023-02-03 10:00:00+00'),
  (4, '00000000-0000-4000-8000-0000000000a3', NULL, 'Alone here', NULL, '2023-02-03 11:00:00+00');
UPDATE "Message" SET "body" = 'Welcome, everybody!' WHERE "id" = 1;
UPDATE "Message" SET "deletedAt" = '2023-02-05T00:00:00Z' WHERE "id" = 6;
INSERT INTO "Message" ("channelId", "body") VALUES (4, 'to be removed');
DELETE FROM "Message" WHERE "body" = 'to be removed';
INSERT INTO "Attachment" ("id", "messageId", "fileName", "byteCount", "checksum") VALUES
  ('00000000-0000-4000-8000-0000000000f1', 4, 'plan.pdf', 123456789012, decode('00ff10', 'hex')), ('00000000-0000-4000-8000-0000000000f2', 2, 'party.gif', 10, NULL);
INSERT INTO "Reaction" ("messageId", "userId", "emoji", "createdAt")
  SELECT m."id", u."id", '👍', '2023-02-06 00:00:00' FROM "Message" m CROSS JOIN "User" u WHERE m."id" <= 2 AND NOT u."isBot";
INSERT INTO "Mention" SELECT 2, "id" FROM "User" WHERE "handle" IN ('ada', 'cy');
INSERT INTO "ReadReceipt" VALUES (1, '00000000-0000-4000-8000-0000000000a1', 2, '2023-02-07 00:00:00+00');
INSERT INTO "Pin" VALUES (1, 1, '00000000-0000-4000-8000-0000000000a1');
INSERT INTO "Bookmark" ("userId", "messageId") VALUES ('00000000-0000-4000-8000-0000000000a2', 1);
INSERT INTO "Draft" VALUES ('00000000-0000-4000-8000-0000000000a2', 1, 'unfinished', '2023-02-08 00:00:00');
INSERT INTO "Invitation" ("id", "workspaceId", "email", "invitedBy", "expiresAt") VALUES ('00000000-0000-4000-8000-0000000000e1', 1, 'Dee@Example.org', '00000000-0000-4000-8000-0000000000a1', '2023-03-01');
INSERT INTO "Notification" ("userId", "kind", "payload", "createdAt")
  SELECT "userId", 'mention', jsonb_build_object('messageId', "messageId"), '2023-02-09 00:00:00' FROM "Mention" ORDER BY "userId";
INSERT INTO "NotificationPreference" ("userId", "kind", "quietFrom", "quietUntil") VALUES ('00000000-0000-4000-8000-0000000000a1', 'mention', '22:00', '07:30:00');
INSERT INTO "ThreadFollower" SELECT "parentId", "authorId" FROM "Message" WHERE "parentId" IS NOT NULL;
INSERT INTO "ScheduledMessage" ("channelId", "authorId", "body", "sendAt") VALUES (1, '00000000-0000-4000-8000-0000000000a1', 'Later', '2031-01-01 00:00+00');
INSERT INTO "Poll" ("messageId", "question", "closesAt") VALUES (2, 'Cake?', '2023-03-01 00:00+00');
INSERT INTO "PollOption" VALUES (1, 1, 'Yes'), (1, 2, 'No');
INSERT INTO "PollVote" SELECT 1, 1, "id", '2023-02-10 00:00+00' FROM "User" WHERE "handle" <> 'cy' AND NOT "isBot";
INSERT INTO "Call" ("id", "channelId", "state", "startedAt", "endedAt") VALUES
  ('00000000-0000-4000-8000-0000000000c1', 3, 'ended', '2023-02-11 10:00+00', '2023-02-11 11:02:03.5+00'), ('00000000-0000-4000-8000-0000000000c2', 1, 'running', '2023-02-12 10:00+00', NULL);
INSERT INTO "CallParticipant" SELECT "id", '00000000-0000-4000-8000-0000000000a1', "startedAt", "endedAt" FROM "Call";
INSERT INTO "Emoji" VALUES (1, 'party_parrot', 'https://e.example/p.gif');
INSERT INTO "StickerPack" ("title", "price") VALUES ('Cats', 1.5), ('Dogs', DEFAULT);
INSERT INTO "Sticker" VALUES (1, 1, '\x0102'), (1, 2, NULL);
INSERT INTO "Report" ("messageId", "reporterId", "reason", "createdAt") VALUES (3, '00000000-0000-4000-8000-0000000000a2', 'spam', '2023-02-12 00:00+00');
INSERT INTO "Webhook" ("id", "channelId", "url") VALUES ('00000000-0000-4000-8000-0000000000d1', 1, 'https://hooks.example/1');
INSERT INTO "WebhookDelivery" ("webhookId", "status", "attempts") VALUES ('00000000-0000-4000-8000-0000000000d1', 200, 1), ('00000000-0000-4000-8000-0000000000d1', NULL, 0);
INSERT INTO "Bot" ("userId", "ownerId") VALUES ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-0000000000a1');
INSERT INTO "BotCommand" VALUES ('00000000-0000-4000-8000-0000000000b1', 'help', 'Shows help'), ('00000000-0000-4000-8000-0000000000b1', 'roll', NULL);
