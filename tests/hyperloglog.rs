//! HyperLogLogs are those of a real redis-server, byte for byte. Skipped, saying so, where it is not
//! installed.

use lodis::engine::rng::Rng;
use lodis::engine::{Engine, Options};
use real_redis::Redis;

mod real_redis;

#[test]
fn the_same_elements_make_the_same_bytes() {
    let Some(mut redis) = Redis::start() else { return };
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    let mut rng = Rng::new(3);
    let mut both = |argv: &[&[u8]]| {
        let mut ours = Vec::new();
        engine.call(session, argv, &mut ours);
        let theirs = redis.call(argv);
        let words: Vec<_> = argv.iter().take(3).map(|word| String::from_utf8_lossy(word)).collect();
        assert!(ours == theirs, "{words:?}");
        ours
    };
    for key in [b"a".as_slice(), b"b", b"c"] {
        for step in 0..400 {
            let elements: Vec<Vec<u8>> =
                (0..1 + step / 20).map(|_| rng.below(1 << 20).to_string().into_bytes()).collect();
            let head: [&[u8]; 2] = [b"PFADD", key];
            let argv: Vec<&[u8]> =
                head.into_iter().chain(elements.iter().map(Vec::as_slice)).collect();
            both(&argv);
            both(&[b"GET", key]);
            if step % 7 == 0 {
                both(&[b"PFCOUNT", key]);
                both(&[b"GET", key]);
            }
        }
        both(&[b"PFDEBUG", b"ENCODING", key]);
    }
    for sources in [&[b"d".as_slice(), b"a", b"b"][..], &[b"d", b"c"], &[b"e"], &[b"e", b"a"]] {
        let argv: Vec<&[u8]> = [b"PFMERGE".as_slice()].iter().chain(sources).copied().collect();
        both(&argv);
        both(&[b"GET", sources[0]]);
        both(&[b"PFCOUNT", b"a", b"b", sources[0]]);
    }
    for number in 0..40u8 {
        both(&[b"PFADD", b"small", &[number]]);
        both(&[b"PFDEBUG", b"DECODE", b"small"]);
    }
    both(&[b"PFMERGE", b"e2", b"small", b"nokey"]);
    both(&[b"GET", b"e2"]);
    both(&[b"PFDEBUG", b"GETREG", b"small"]);
    both(&[b"GET", b"small"]);
}
