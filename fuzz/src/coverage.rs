//! Which parts of the program an input reaches, if the program was built to tell
//! (`cargo xtask fuzz` does): a counter for each edge, which the compiler puts there.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

static COUNTERS: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static LEN: AtomicUsize = AtomicUsize::new(0);

/// Called by every object file before `main`, always with the bounds of all counters.
///
/// # Safety
/// Only the compiler's instrumentation calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    COUNTERS.store(start, Relaxed);
    LEN.store((stop as usize).saturating_sub(start as usize), Relaxed);
}

fn counters() -> &'static mut [u8] {
    let start = COUNTERS.load(Relaxed);
    if start.is_null() {
        return &mut [];
    }
    // SAFETY: the counters live as long as the program, and only the thread that runs inputs, which is
    // the one that is here, reads or writes them meanwhile.
    unsafe { std::slice::from_raw_parts_mut(start, LEN.load(Relaxed)) }
}

/// What all inputs so far have reached: for each edge, how often, in classes.
pub struct Seen(Vec<u8>);

impl Seen {
    /// Nothing.
    pub fn new() -> Self {
        Self(vec![0; counters().len()])
    }

    /// Begins anew to count.
    pub fn begin(&self) {
        counters().fill(0);
    }

    /// Takes note of what was reached since; how much of it is new.
    pub fn add(&mut self) -> usize {
        let (chunks, rest) = counters().as_chunks::<8>();
        let mut new = 0;
        for (chunk, seen) in chunks.iter().zip(self.0.as_chunks_mut::<8>().0) {
            if u64::from_ne_bytes(*chunk) != 0 {
                new += note(chunk, seen);
            }
        }
        let at = chunks.len() * 8;
        new + note(rest, &mut self.0[at..])
    }

    /// How many edges were reached, and how many there are.
    pub fn edges(&self) -> (usize, usize) {
        (self.0.iter().filter(|seen| **seen > 0).count(), self.0.len())
    }
}

fn note(counters: &[u8], seen: &mut [u8]) -> usize {
    let mut new = 0;
    for (count, seen) in counters.iter().zip(seen) {
        let class = match count {
            0 => continue,
            1 => 1,
            2 => 2,
            3 => 4,
            4..8 => 8,
            8..16 => 16,
            16..32 => 32,
            32..128 => 64,
            128.. => 128,
        };
        new += usize::from(*seen & class == 0);
        *seen |= class;
    }
    new
}
