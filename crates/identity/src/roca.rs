/// The fingerprint of moduli made by the flawed RSA generator of Infineon's chips (CVE-2017-15361, "ROCA"):
/// modulo each of these primes they lie in the subgroup that 65537 generates.
///
/// Source: Nemec et al., "The Return of Coppersmith's Attack" (2017), section 2.3; the primes are the first odd
/// ones for which that subgroup is not the whole group, so that a sound modulus has a chance of about 2^-27.
const PRIMES: [u32; 17] = [3, 5, 7, 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109];

/// Whether an RSA modulus (big-endian bytes) carries the fingerprint.
pub(crate) fn has_flaw(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| is_power_of_65537(remainder(modulus, prime), prime))
}

/// The big-endian number modulo a small prime.
fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime)
}

/// Whether `value` is a power of 65537 modulo `prime`.
fn is_power_of_65537(value: u32, prime: u32) -> bool {
    let generator = 65537 % prime;
    let mut power = 1;
    for _ in 0..prime {
        if power == value {
            return true;
        }
        power = power * generator % prime;
    }
    false
}
