use base::Secret;

/// What a server keeps instead of a password (SCRAM-SHA-256, with a salt of its own): given to `ALTER ROLE … PASSWORD`, the
/// password itself is in no statement and so in no log.
pub fn password_verifier(password: &Secret) -> Secret {
    Secret::new(postgres_protocol::password::scram_sha_256(password.expose().as_bytes()))
}
