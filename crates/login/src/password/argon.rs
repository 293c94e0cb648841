//! Argon2 (RFC 9106) over memory that a thread keeps.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::PasswordError;

/// OWASP's minimum for argon2id with two passes, in KiB (Password Storage Cheat Sheet: m=19456, t=2, p=1).
pub const LEAST_MEMORY_KIB: u32 = 19_456;

/// The most memory that one of our own hashes may take: above it four threads take a gigabyte.
pub const MOST_MEMORY_KIB: u32 = 256 * 1024;

/// The passes that go with [`LEAST_MEMORY_KIB`].
pub const LEAST_PASSES: u32 = 2;

/// The most passes: further ones buy less than more memory does.
pub const MOST_PASSES: u32 = 10;

/// Bytes of a salt (RFC 9106 section 3.1).
pub(super) const SALT_BYTES: usize = 16;

/// Bytes of a hash.
const OUTPUT_BYTES: usize = 32;

/// What one of our own hashes costs: argon2id, version 19, one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl HashCost {
    /// What it takes in time, in a unit of its own: KiB filled.
    pub(super) fn work(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    /// Raises a cost that takes `measured` until it takes `target` (both in the same unit): first the memory, which hurts
    /// whoever guesses with special hardware most, then the passes.
    pub(super) fn raised(self, measured: f64, target: f64) -> Self {
        let factor = target / measured.max(1e-9);
        if factor <= 1.0 {
            return self;
        }
        let memory = (f64::from(self.memory_kib) * factor).min(f64::from(CALIBRATED_MEMORY_KIB));
        // A float becomes an integer by saturating; below the bound nothing is lost.
        let memory_kib = (memory as u32).clamp(self.memory_kib, self.memory_kib.max(CALIBRATED_MEMORY_KIB));
        let passes = self.work() as f64 * factor / f64::from(memory_kib);
        Self { memory_kib, passes: (passes as u32).clamp(self.passes, MOST_PASSES.max(self.passes)) }
    }
}

/// How much memory calibration takes at most for one hash. Beyond it the passes are raised.
const CALIBRATED_MEMORY_KIB: u32 = 64 * 1024;

/// The memory of a thread that hashes. It grows to what our own hashes need and stays.
#[derive(Default)]
pub(super) struct Memory {
    blocks: Vec<Block>,
}

impl Memory {
    /// Runs `work` on so many blocks: the thread's own where `is_kept`, others for this one time.
    fn with<T>(&mut self, count: usize, is_kept: bool, work: impl FnOnce(&mut [Block]) -> T) -> T {
        if is_kept || count <= self.blocks.len() {
            if self.blocks.len() < count {
                self.blocks.resize(count, Block::new());
            }
            return work(&mut self.blocks);
        }
        work(&mut vec![Block::new(); count])
    }
}

/// Makes a hash in the form of the PHC: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
pub(super) fn hash(
    password: &[u8],
    salt: &[u8; SALT_BYTES],
    cost: HashCost,
    memory: &mut Memory,
) -> Result<String, PasswordError> {
    let HashCost { memory_kib, passes } = cost;
    let params = Params::new(memory_kib, passes, 1, Some(OUTPUT_BYTES)).map_err(PasswordError::Argon2)?;
    let mut output = [0; OUTPUT_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    memory
        .with(argon2.params().block_count(), true, |blocks| {
            argon2.hash_password_into_with_memory(password, salt, &mut output, blocks)
        })
        .map_err(PasswordError::Argon2)?;
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    Ok(format!("$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${output}"))
}

/// A stored hash of the family.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Argon2Hash {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) cost: HashCost,
    pub(super) lanes: u32,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}

impl Argon2Hash {
    /// What the password gives with these parameters, as long as the stored hash; `None` where argon2 has no such hash.
    pub(super) fn derive(&self, password: &[u8], memory: &mut Memory) -> Option<Vec<u8>> {
        let HashCost { memory_kib, passes } = self.cost;
        let params = Params::new(memory_kib, passes, self.lanes, Some(self.output.len())).ok()?;
        let mut output = vec![0; self.output.len()];
        let argon2 = Argon2::new(self.algorithm, self.version, params);
        memory
            .with(argon2.params().block_count(), false, |blocks| {
                argon2.hash_password_into_with_memory(password, &self.salt, &mut output, blocks)
            })
            .ok()?;
        Some(output)
    }

    /// Whether it protects less than a hash of `cost` does, of which `tolerance` is forgiven (a share of the work).
    pub(super) fn is_below(&self, cost: HashCost, tolerance: f64) -> bool {
        self.algorithm != Algorithm::Argon2id
            || self.version != Version::V0x13
            || self.output.len() < OUTPUT_BYTES
            || self.salt.len() < SALT_BYTES
            || (self.cost.work() as f64) < cost.work() as f64 * (1.0 - tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: HashCost = HashCost { memory_kib: LEAST_MEMORY_KIB, passes: LEAST_PASSES };

    #[test]
    fn calibration_only_raises_and_stays_within_bounds() {
        for (measured, target, memory_kib, passes) in [
            (20.0, 10.0, LEAST_MEMORY_KIB, 2),
            (20.0, 20.0, LEAST_MEMORY_KIB, 2),
            (20.0, 40.0, 2 * LEAST_MEMORY_KIB, 2),
            (20.0, 100.0, CALIBRATED_MEMORY_KIB, 2),
            (20.0, 200.0, CALIBRATED_MEMORY_KIB, 5),
            (20.0, 1e9, CALIBRATED_MEMORY_KIB, MOST_PASSES),
            (0.0, 1.0, CALIBRATED_MEMORY_KIB, MOST_PASSES),
        ] {
            assert_eq!(FLOOR.raised(measured, target), HashCost { memory_kib, passes }, "{measured} {target}");
        }
        let larger = HashCost { memory_kib: MOST_MEMORY_KIB, passes: 3 };
        assert_eq!(larger.raised(1.0, 2.0), HashCost { memory_kib: MOST_MEMORY_KIB, passes: 6 });
    }
}
