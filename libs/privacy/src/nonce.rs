use std::cell::RefCell;

use zeroize::Zeroize;

/// Bytes of one nonce: 96 bits, the size AES-GCM-SIV takes (RFC 8452 §4).
pub const NONCE_BYTES: usize = 12;

/// Nonces fetched from the kernel at a time: a call per nonce would cost a third of a seal.
const AHEAD: usize = 64;

struct Ahead {
    bytes: [u8; NONCE_BYTES * AHEAD],
    used: usize,
}

thread_local! {
    static AHEAD_HERE: RefCell<Ahead> = const {
        RefCell::new(Ahead { bytes: [0; NONCE_BYTES * AHEAD], used: NONCE_BYTES * AHEAD })
    };
}

/// Twelve random bytes that this thread has not given out before.
pub fn random() -> [u8; NONCE_BYTES] {
    AHEAD_HERE.with_borrow_mut(|ahead| {
        if ahead.used == ahead.bytes.len() {
            getrandom::fill(&mut ahead.bytes)
                .expect("the kernel's random source does not fail once the system is up");
            ahead.used = 0;
        }
        let mut nonce = [0; NONCE_BYTES];
        let taken = &mut ahead.bytes[ahead.used..ahead.used + NONCE_BYTES];
        nonce.copy_from_slice(taken);
        taken.zeroize(); // given out once, and gone from here
        ahead.used += NONCE_BYTES;
        nonce
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nonces_do_not_repeat_across_fetches_and_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..AHEAD * 10).map(|_| random()).collect::<Vec<_>>()))
            .collect();
        let nonces: Vec<_> = threads
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect();
        assert_eq!(nonces.iter().collect::<HashSet<_>>().len(), nonces.len());
        assert!(!nonces.contains(&[0; NONCE_BYTES]));
    }
}
