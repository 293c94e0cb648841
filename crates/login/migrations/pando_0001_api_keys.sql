-- API keys. A key itself is kept nowhere, only its SHA-256. Every node follows this table.
CREATE TABLE pando.api_keys (
  id uuid NOT NULL PRIMARY KEY,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('publishable', 'secret')),
  -- In hexadecimal.
  hash text NOT NULL UNIQUE,
  -- The first characters, by which people tell it from others.
  hint text NOT NULL,
  -- The role of requests without a user's token; NULL for that of its kind.
  role text,
  -- What it is bound to: {"relations": ["public.climbs", "ops.*"], "methods": ["GET"], "networks": ["10.0.0.0/8"]}.
  scope jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  -- Told once a minute at most.
  last_used_at timestamptz,
  -- The key whose place it takes.
  rotated_from uuid
);
CREATE INDEX api_keys_changed_at_idx ON pando.api_keys (changed_at);
