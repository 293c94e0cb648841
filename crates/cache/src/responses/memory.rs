//! Answers in the memory of this process.

use std::sync::Arc;

use super::{Response, ResponseKey, Responses};
use crate::bounded::{Bounded, Weight};
use crate::driver::BoxFuture;

/// What an entry takes besides the answer itself: its key, and its place in the table and in the queues.
const OVERHEAD: usize = 160;

/// A guess of how large answers are, which only decides how large the table is at first.
const USUAL_BYTES: u64 = 2_048;

/// Answers in memory, so many bytes of them. Which stay is decided by how often they are asked for, not by how lately alone (S3-FIFO), so
/// that a sweep over everything that is asked for once does not empty it.
pub struct MemoryResponses<R: Response> {
    kept: Bounded<ResponseKey, Arc<R>>,
}

impl<R: Response> Weight for Arc<R> {
    fn weight(&self) -> usize {
        Response::weight(&**self).saturating_add(OVERHEAD)
    }
}

impl<R: Response> MemoryResponses<R> {
    /// Room for so many bytes.
    pub fn new(most_bytes: u64) -> Self {
        Self { kept: Bounded::new(most_bytes, USUAL_BYTES) }
    }
}

impl<R: Response> Responses<R> for MemoryResponses<R> {
    fn at_hand(&self, key: &ResponseKey) -> Option<Arc<R>> {
        self.kept.get(key)
    }

    fn find<'a>(&'a self, key: &'a ResponseKey) -> BoxFuture<'a, Option<Arc<R>>> {
        Box::pin(std::future::ready(self.at_hand(key)))
    }

    fn keep(&self, key: ResponseKey, response: Arc<R>) -> BoxFuture<'_, ()> {
        let moment = response.moment();
        self.kept.put_if(&key, response, |known| known.moment() < moment);
        Box::pin(std::future::ready(()))
    }

    fn forget<'a>(&'a self, key: &'a ResponseKey) -> BoxFuture<'a, ()> {
        self.kept.remove(key);
        Box::pin(std::future::ready(()))
    }

    fn held(&self) -> (u64, u64) {
        self.kept.held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text(u64, usize);

    impl Response for Text {
        fn weight(&self) -> usize {
            self.1
        }

        fn moment(&self) -> u64 {
            self.0
        }
    }

    fn key(number: u64) -> ResponseKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        ResponseKey(bytes)
    }

    fn moment(kept: &MemoryResponses<Text>, number: u64) -> Option<u64> {
        kept.at_hand(&key(number)).map(|text| text.0)
    }

    #[tokio::test]
    async fn one_that_comes_late_does_not_take_the_place_of_a_newer_one() {
        let kept = MemoryResponses::new(1 << 20);
        kept.keep(key(1), Arc::new(Text(7, 10))).await;
        kept.keep(key(1), Arc::new(Text(5, 10))).await;
        assert_eq!(moment(&kept, 1), Some(7));
        kept.keep(key(1), Arc::new(Text(9, 10))).await;
        assert_eq!((moment(&kept, 1), kept.held().0), (Some(9), 1));
        kept.forget(&key(1)).await;
        assert_eq!((moment(&kept, 1), kept.held()), (None, (0, 0)));
    }

    #[tokio::test]
    async fn a_sweep_does_not_push_out_what_is_asked_for_often() {
        let kept = MemoryResponses::new(1 << 20);
        kept.keep(key(0), Arc::new(Text(1, 1_000))).await;
        for number in 1..20_000 {
            kept.keep(key(number), Arc::new(Text(1, 1_000))).await;
            assert_eq!(moment(&kept, 0), Some(1), "after {number}");
        }
        assert!(kept.held().1 <= 1 << 20, "{:?}", kept.held());
    }
}
