-- How much may be asked with a key: {"amount": 1000, "per": "day", "in": "requests"}. NULL for as much as one likes.
ALTER TABLE pando.api_keys ADD COLUMN quota jsonb;
-- The first of those keys that took one another's place: they share a quota. NULL for the key itself.
ALTER TABLE pando.api_keys ADD COLUMN quota_account uuid;

-- How much of quotas is used. What requests are checked against are counters (memory or Redis); this is told once a minute, so
-- that counters that are lost go on from there.
CREATE TABLE pando.api_key_usage (
  account uuid NOT NULL,
  period text NOT NULL,
  unit text NOT NULL,
  -- When the period began.
  since timestamptz NOT NULL,
  used bigint NOT NULL,
  PRIMARY KEY (account, period, unit)
);
