//! Recordings that were running when the caller hung up. Some providers then ask for no further step, so such a
//! recording is made a take here.

use super::arriving::is_of_speech;
use super::facts::write_effect;
use crate::call::flow::{self, Context, Input};
use crate::call::script::RecordingEnd;
use crate::call::state::{Place, State};
use crate::service::Service;
use crate::store::StoreError;
use crate::store::cases::Case;

/// Returns the last state of a call that is over. If by its stored `state` a recording was running when the call ended,
/// and speech was or may have been heard in it, the recording becomes a take; otherwise `state` is returned as it is.
///
/// # Errors
///
/// When the report's key in the database is not a valid public key.
pub fn hung_up(service: &Service, case: &mut Case, state: State) -> Result<State, StoreError> {
    let (Place::Recording { .. }, Some(line)) = (state.place, service.config.line(&case.call.line))
    else {
        return Ok(state);
    };
    let place = case.call.place_of(state.step);
    let mut rows = case.recordings.iter();
    if !rows.any(|row| (row.report, row.step) == place && is_of_speech(service, row)) {
        return Ok(state);
    }
    let context = Context {
        now: service.clock.line_now(),
        duty_busy: false,
        reply_sounds: false,
    };
    let input = Input::Recorded {
        end: Some(RecordingEnd::HangUp),
        seconds: None,
    };
    let turn = flow::next(line, context, state, input);
    for effect in &turn.effects {
        write_effect(service, case, context.now, effect)?;
    }
    Ok(turn.state)
}
