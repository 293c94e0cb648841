-- What the login needs beyond GoTrue's tables.

-- The keys that tokens are signed with. The private part is encrypted with a key that follows from auth.secret.
CREATE TABLE pando.signing_keys (
  -- Counted from 1, so that of two nodes that make a key at once one meets the other's.
  generation bigint NOT NULL PRIMARY KEY,
  id text NOT NULL,
  private_key text NOT NULL,
  created_at timestamptz NOT NULL,
  -- From when on it signs; before it is only published, so that nobody meets a key that he does not know yet.
  signs_from timestamptz NOT NULL,
  -- From when on it is published no more; NULL while there is no younger key.
  verifies_until timestamptz
);

-- Sessions that were signed out while access tokens of theirs still count. Every node follows this table.
CREATE TABLE pando.revoked_sessions (
  session_id uuid NOT NULL PRIMARY KEY,
  user_id uuid NOT NULL,
  revoked_at timestamptz NOT NULL,
  -- When the last of its access tokens has expired: the row is of no use then.
  expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_sessions_revoked_at_idx ON pando.revoked_sessions (revoked_at);
CREATE INDEX revoked_sessions_expires_at_idx ON pando.revoked_sessions (expires_at);

-- Codes of authenticator apps that were used: each counts once, though it is right for a minute and a half.
CREATE TABLE pando.used_codes (
  factor_id uuid NOT NULL,
  step bigint NOT NULL,
  PRIMARY KEY (factor_id, step)
);
