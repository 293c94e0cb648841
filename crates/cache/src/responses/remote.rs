//! Answers on a Redis or Valkey server, which all nodes share.
//!
//! What is there is a hint: whoever finds an answer decides by its moment whether it still may be shown. So it may be lost, come late or
//! be read by nobody, and a server that is slow or gone costs one short wait before it is left alone (`watched.rs`).

use std::marker::PhantomData;
use std::sync::Arc;

use base::Clock;

use super::{Expiry, Portable, ResponseKey, Responses, sealed};
use crate::config::Config;
use crate::driver::BoxFuture;
use crate::error::CacheError;
use crate::key::{Key, Keys};
use crate::rate::LONGEST;
use crate::remote::Redis;
use crate::watched::Watched;

/// Answers on a server.
pub struct RemoteResponses<R: Portable> {
    watched: Watched,
    keys: Keys,
    most_bytes: usize,
    answers: PhantomData<fn() -> R>,
}

impl<R: Portable> RemoteResponses<R> {
    /// On the server of this configuration. All nodes need the same secret in `keys`. Answers of more than `most_bytes` are neither kept nor
    /// read. A server that does not answer is no error: it is looked for in the background, so this has to be called on the runtime.
    ///
    /// # Errors
    /// [`CacheError::Url`] where there is no address, or nothing can be made of it; [`CacheError::Authority`].
    pub fn open(config: &Config, keys: Keys, most_bytes: usize, clock: Arc<dyn Clock>) -> Result<Self, CacheError> {
        let url = config.url.as_ref().ok_or_else(|| CacheError::Url("there is none".to_owned()))?;
        let watched = Watched::start(Redis::new(url.expose(), config)?, config.listener.clone(), clock);
        Ok(Self { watched, keys, most_bytes, answers: PhantomData })
    }

    /// Whether the server is there, as far as it is known.
    pub fn is_up(&self) -> bool {
        self.watched.is_up()
    }

    /// What time it is by the server's clock, in µs since 1970; `None` when it does not answer in time. It is the same for all nodes.
    pub async fn now(&self) -> Option<u64> {
        self.watched.ask(self.watched.remote().now()).await
    }

    /// Its name says nothing of the question to whoever reads it on the server.
    fn name(&self, key: &ResponseKey) -> Key {
        self.keys.key("answer", &[&key.0])
    }

    async fn read(&self, key: &ResponseKey) -> Option<Arc<R>> {
        let (name, remote) = (self.name(key), self.watched.remote());
        let most = self.most_bytes.saturating_add(sealed::HEAD);
        let (found, now) = self.watched.ask(remote.answer(name, most)).await?;
        let found = found?;
        let read = sealed::open(&self.keys, key, found).and_then(|(moment, bytes)| R::from_bytes(bytes, moment, now));
        if read.is_none() {
            // Nobody can use it, and it might keep others from being kept.
            self.watched.ask(remote.delete(name)).await;
        }
        read.map(Arc::new)
    }

    async fn write(&self, key: &ResponseKey, response: &R) {
        let bytes = response.to_bytes();
        if bytes.len() > self.most_bytes {
            return;
        }
        let moment = response.moment();
        let sealed = sealed::seal(&self.keys, key, moment, &bytes);
        let (lifetime, born) = match response.expiry() {
            Expiry::AfterKept(lifetime) => (lifetime, None),
            Expiry::AfterMoment(lifetime) => (lifetime, Some(moment)),
        };
        let remote = self.watched.remote();
        self.watched.ask(remote.keep_answer(self.name(key), &sealed, lifetime.min(LONGEST), born)).await;
    }
}

impl<R: Portable> Responses<R> for RemoteResponses<R> {
    fn at_hand(&self, _: &ResponseKey) -> Option<Arc<R>> {
        None
    }

    fn find<'a>(&'a self, key: &'a ResponseKey) -> BoxFuture<'a, Option<Arc<R>>> {
        Box::pin(self.read(key))
    }

    fn keep(&self, key: ResponseKey, response: Arc<R>) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.write(&key, &response).await })
    }

    fn forget<'a>(&'a self, key: &'a ResponseKey) -> BoxFuture<'a, ()> {
        Box::pin(async {
            self.watched.ask(self.watched.remote().delete(self.name(key))).await;
        })
    }

    fn held(&self) -> (u64, u64) {
        (0, 0)
    }
}
