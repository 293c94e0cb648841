//! What may still be said of answers when the sockets are open already.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::cors::Cors;
use crate::{AllowedOrigins, DeliveryConfig, EdgeError};

/// What is said of answers to those who read them.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) cors: Cors,
    pub(crate) server_timing: bool,
    pub(crate) delivery: DeliveryConfig,
}

/// The policy that counts. Cheap to clone; a request looks once.
#[derive(Debug, Clone)]
pub struct PolicyHandle(Arc<RwLock<Arc<Policy>>>);

impl PolicyHandle {
    /// Checks the origins.
    pub(crate) fn new(
        origins: &AllowedOrigins,
        server_timing: bool,
        delivery: DeliveryConfig,
    ) -> Result<Self, EdgeError> {
        let policy = Policy { cors: Cors::new(origins)?, server_timing, delivery };
        Ok(Self(Arc::new(RwLock::new(Arc::new(policy)))))
    }

    /// Changes it for the requests that come from now on: a configuration may be complete only after the sockets are open.
    ///
    /// # Errors
    /// An origin that is none; the former policy goes on.
    pub fn set(
        &self,
        origins: &AllowedOrigins,
        server_timing: bool,
        delivery: DeliveryConfig,
    ) -> Result<(), EdgeError> {
        let policy = Policy { cors: Cors::new(origins)?, server_timing, delivery };
        *self.0.write() = Arc::new(policy);
        Ok(())
    }

    pub(crate) fn current(&self) -> Arc<Policy> {
        self.0.read().clone()
    }
}
