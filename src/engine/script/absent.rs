//! What the commands answer where there is no interpreter.

use super::Counts;
use crate::engine::Engine;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::resp::Writer;

pub fn refuse(_: &mut Ctx<'_>, _: &mut Args<'_>, _: &mut Writer<'_>) -> Result<(), Error> {
    Err(Error::fixed(
        "ERR scripting is not in this build of Lodis: open the store with { scripting: true }, in the \
         tab that leads",
    ))
}

/// Whether what a command runs says that it only reads.
pub fn only_reads(_: &mut Engine, _: &str, _: &[&[u8]]) -> bool {
    false
}

/// Nothing can be run.
pub fn counts(_: &Engine) -> Counts {
    Counts::default()
}

/// Libraries that others run are kept.
pub fn change(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if c.replay_libraries(args)? {
        out.ok();
        return Ok(());
    }
    refuse(c, args, out)
}

pub use self::change as function_delete;
pub use self::change as function_flush;
pub use self::change as function_load;
pub use self::refuse as eval;
pub use self::refuse as eval_ro;
pub use self::refuse as evalsha;
pub use self::refuse as evalsha_ro;
pub use self::refuse as debug;
pub use self::refuse as exists;
pub use self::refuse as fcall;
pub use self::refuse as fcall_ro;
pub use self::refuse as flush;
pub use self::refuse as function_dump;
pub use self::refuse as function_list;
pub use self::refuse as function_restore;
pub use self::refuse as function_stats;
pub use self::refuse as kill;
pub use self::refuse as load;
