//! What other nodes did: signed-out sessions and signing keys are followed in the database, so that no request has to ask it.

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;

use crate::error::Outcome;
use crate::keys::{self, KeyRing, earlier};
use crate::records::Records;
use crate::room::{Inner, Login};
use crate::totp;

/// How often the tables are looked at: what another node did counts here within a second.
const EVERY: Duration = Duration::from_millis(500);

/// How far back is looked each time: transactions do not end in the order of their moments.
const OVERLAP: Duration = Duration::from_secs(30);

/// How often the keys are looked at, in rounds; they change rarely, and are published long before they sign.
const KEY_ROUNDS: u32 = 4;

/// How often what counts no more is forgotten, in rounds: ten minutes.
const FORGET_ROUNDS: u32 = 1_200;

/// How long flows, challenges, mails and sessions are kept that nobody ended.
const UNFINISHED: Duration = Duration::from_secs(86_400);

impl Login {
    /// Follows what other nodes do, and forgets what counts no more, until it is dropped. A database that does not answer is asked
    /// again; until it does, what was known counts.
    pub async fn follow(self) {
        let mut since = earlier(self.inner.now(), OVERLAP);
        let mut round: u32 = 0;
        loop {
            tokio::time::sleep(EVERY).await;
            round = round.wrapping_add(1);
            let began = self.inner.now();
            if self.inner.follow_sessions(since).await.is_ok() {
                since = earlier(began, OVERLAP);
            }
            if round.is_multiple_of(KEY_ROUNDS) {
                // Told by the store; the keys that are known go on signing.
                let _again_soon = self.inner.follow_keys().await;
            }
            if round.is_multiple_of(FORGET_ROUNDS) {
                let _again_later = self.inner.forget_old().await;
            }
        }
    }
}

impl Inner {
    async fn follow_sessions(&self, since: Timestamp) -> Outcome<()> {
        let revoked = self.records.revoked_since(since, self.now()).await?;
        if !revoked.is_empty() {
            self.verifier.sign_out(revoked);
        }
        Ok(())
    }

    pub(crate) async fn follow_keys(&self) -> Outcome<()> {
        let now = self.now();
        let kept = keys::list(&self.records).await?;
        let current = self.keys.read().clone();
        if kept.is_empty() || (current.is_of(&kept) && !current.is_over(now)) {
            return Ok(());
        }
        let ring = KeyRing::open(kept, &self.secrets.signing, now)?;
        self.verifier.use_own_keys(&ring.public()?)?;
        *self.keys.write() = Arc::new(ring);
        Ok(())
    }

    pub(crate) async fn forget_old(&self) -> Outcome<()> {
        let now = self.now();
        let records: &Records = &self.records;
        records.forget_revoked(earlier(now, OVERLAP)).await?;
        records.forget_flows(earlier(now, UNFINISHED)).await?;
        records.forget_tokens(earlier(now, UNFINISHED.max(self.settings.one_time_token))).await?;
        // As long as its access tokens may count, a session is there, and who refreshes it is told that it has ended.
        let kept = UNFINISHED.max(self.settings.access_token);
        records
            .forget_ended(earlier(now, kept), self.settings.idle_session.map(|idle| earlier(now, kept + idle)))
            .await?;
        records.forget_challenges(earlier(now, UNFINISHED), totp::step(now.seconds()) - 10).await
    }
}
