//! Commands with a word that does not belong there: whatever they are, nothing traps, and an error
//! changes nothing, logs nothing and publishes nothing.
//!
//! A failing run prints its seed: `LODIS_SEED=<seed> cargo test -p lodis --test bad_input`.

use generator::spoil::spoil;
use generator::{Dice, Forms, Times, seeds, shown};
use lodis::engine::blocking::Unblock;
use lodis::engine::notify::parse_classes;
use lodis::engine::pubsub::Space;
use lodis::engine::{Engine, Options};

mod generator;

const ROUNDS: u64 = 60;
const COMMANDS: usize = 2000;

#[test]
fn an_error_changes_nothing() {
    let forms = Forms::load(|_| true);
    for seed in seeds(ROUNDS, false) {
        let mut dice = Dice::new(seed);
        let mut engine = Engine::new(&Options { now_us: 1, ..Options::default() });
        engine.effects.set_enabled(true);
        engine.config.notify = parse_classes(b"KEA").unwrap();
        engine.config.proto_max_bulk_len = 1 << 20;
        let (session, listener) = (engine.connect(), engine.connect());
        engine.pubsub.add(Space::Pattern, b"__keyevent@*", listener);
        let mut digest = engine.digest();
        let mut errors = 0;
        for _ in 0..COMMANDS {
            let (mut argv, form) = forms.command(&mut dice, Times::Far);
            // Who asks for so many random elements gets them.
            if dice.one_in(2) && !form.random {
                spoil(&mut dice, &mut argv, form.name.len());
            }
            let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
            let mut reply = Vec::new();
            engine.call(session, &words, &mut reply);
            engine.unblock(session, Unblock::Timeout);
            engine.sessions.take_messages_of(session);
            let (after, effects) = (engine.digest(), engine.effects.take());
            let events = engine.sessions.take_messages_of(listener);
            if reply.starts_with(b"-") {
                let (command, error) = (shown(&argv), reply.escape_ascii());
                let again = format!("{command}: {error}\nLODIS_SEED={seed}");
                assert_eq!(digest, after, "{again}");
                assert_eq!(
                    (effects.escape_ascii().to_string(), events),
                    Default::default(),
                    "{again}"
                );
                errors += 1;
            }
            digest = after;
        }
        assert!(errors > COMMANDS / 20, "{errors} errors only, LODIS_SEED={seed}");
    }
}
