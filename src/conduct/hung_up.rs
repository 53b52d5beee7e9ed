//! Callers who were gone in mid-word, and whose provider asks for nothing any more then.

use super::arriving::is_of_speech;
use super::facts::write_effect;
use crate::call::flow::{self, Around, Input};
use crate::call::script::RecordingEnd;
use crate::call::state::{Place, State};
use crate::service::Service;
use crate::store::calls::Call;
use crate::store::{StoreError, Tx, reports};

/// The state of a call that is over, with what was being recorded when it ended as a take. It is one, whether the provider
/// asked for the next step or not.
///
/// # Errors
///
/// When the database fails.
pub async fn hung_up(
    service: &Service,
    tx: &mut Tx,
    call: &Call,
    state: State,
) -> Result<State, StoreError> {
    let (Place::Recording { .. }, Some(line)) = (state.place, service.config.line(&call.line))
    else {
        return Ok(state);
    };
    let (report, number) = call.place_of(state.step);
    let rows = reports::recordings(tx, report).await?;
    let of_this_step = rows.iter().filter(|row| row.step == number);
    if !of_this_step
        .into_iter()
        .any(|row| is_of_speech(service, row))
    {
        return Ok(state);
    }
    let around = Around {
        now: service.clock.line_now(),
        duty_busy: false,
        reply_sounds: false,
    };
    let input = Input::Recorded {
        end: Some(RecordingEnd::HangUp),
        seconds: None,
    };
    let turn = flow::next(line, around, state, input);
    for effect in &turn.effects {
        write_effect(service, tx, call, effect).await?;
    }
    Ok(turn.state)
}
