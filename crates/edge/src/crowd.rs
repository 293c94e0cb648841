//! How many connections are open: altogether, and from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Counts who is inside.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    inside: Arc<AtomicU64>,
    most: u64,
}

/// A place inside; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU64>);

impl Doors {
    pub(crate) fn new(most: u64) -> Self {
        Self { inside: Arc::new(AtomicU64::new(0)), most }
    }

    /// Whether the next one would stay outside.
    pub(crate) fn are_closed(&self) -> bool {
        self.inside.load(Ordering::Relaxed) >= self.most
    }

    pub(crate) fn enter(&self) -> Option<Place> {
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.inside.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(self.inside.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts who is inside by address. It holds no more entries than there are connections.
#[derive(Debug, Clone)]
pub(crate) struct Crowd(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    inside: Mutex<HashMap<IpAddr, u64>>,
    most: u64,
}

/// A place of an address's own; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Crowd,
    group: IpAddr,
}

impl Crowd {
    pub(crate) fn new(most: u64) -> Self {
        Self(Arc::new(Counted { inside: Mutex::default(), most }))
    }

    /// Lets one more in from there; `None` when as many are inside as may be.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Seat> {
        let group = group(address);
        let mut inside = self.0.inside.lock();
        let count = inside.entry(group).or_default();
        if *count >= self.0.most {
            return None;
        }
        *count += 1;
        drop(inside);
        Some(Seat { crowd: self.clone(), group })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.crowd.0.inside.lock().entry(self.group) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Who counts as one: of IPv6, everybody in a network of 64 bits, which is what one customer gets at least.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => IpAddr::V4(four),
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_apart() {
        let crowd = Crowd::new(2);
        let enter = |address: &str| crowd.enter(address.parse().unwrap());
        let seats = [enter("192.0.2.1"), enter("::ffff:192.0.2.1")];
        assert!(seats.iter().all(Option::is_some));
        assert!(enter("192.0.2.1").is_none());
        let other = enter("192.0.2.2");
        assert!(other.is_some());
        let six = [enter("2001:db8:0:1::1"), enter("2001:db8:0:1:ffff::2")];
        assert!(six.iter().all(Option::is_some));
        assert!(enter("2001:db8:0:1::3").is_none(), "one network of 64 bits");
        assert!(enter("2001:db8:0:2::1").is_some());
        drop(seats);
        assert!(enter("192.0.2.1").is_some());
        drop((other, six));
        assert!(crowd.0.inside.lock().is_empty(), "nothing is kept of who has left");
    }
}
