//! One question per address at a time: whoever comes while it is on its way waits for what comes of it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use url::Url;

/// The questions on their way.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<String, watch::Receiver<bool>>>>);

/// A question on its way, which ends when this goes.
pub(crate) struct Flight {
    all: Flights,
    url: Url,
    landed: watch::Sender<bool>,
}

/// What came of another's question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It was answered.
    Landed,
    /// Whoever asked went away before.
    Lost,
}

impl Flights {
    /// Begins one, unless there is one.
    pub fn begin(&self, url: &Url) -> Result<Flight, watch::Receiver<bool>> {
        let mut all = self.0.lock();
        if let Some(other) = all.get(url.as_str()) {
            return Err(other.clone());
        }
        let (landed, receiver) = watch::channel(false);
        all.insert(url.to_string(), receiver);
        Ok(Flight { all: self.clone(), url: url.clone(), landed })
    }
}

impl Flight {
    /// Tells those who wait that there is an answer.
    pub fn land(self) {
        let _nobody_waits = self.landed.send(true);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.all.0.lock().remove(self.url.as_str());
    }
}

/// Waits for another's question.
pub(crate) async fn wait(mut other: watch::Receiver<bool>) -> Waited {
    match other.wait_for(|has_landed| *has_landed).await {
        Ok(_) => Waited::Landed,
        Err(_) => Waited::Lost,
    }
}
