use super::*;
use std::cell::Cell;

/// Returns for how many seconds [`keep_lease`] keeps a lease. `renew` gets the number of the try to renew it, from 1,
/// and returns the result of that try.
async fn kept(renew: impl Fn(u32) -> Result<bool, StoreError>) -> u64 {
    let begun = tokio::time::sleep(Duration::ZERO).deadline();
    let tries = Cell::new(0);
    keep_lease(|| {
        tries.set(tries.get() + 1);
        let renewed = renew(tries.get());
        async { renewed }
    })
    .await;
    let ended = tokio::time::sleep(Duration::ZERO).deadline();
    (ended - begun).as_secs()
}

fn fails() -> Result<bool, StoreError> {
    Err(StoreError::Unreadable("the database is away"))
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_is_given_up_before_it_runs_out() {
    let lease = LEASE.num_seconds() as u64;
    assert!(kept(|_| fails()).await + RENEW_WITHIN.as_secs() < lease);
    // Renewed twice, at 20 and 40 s: given up before the second renewal expires.
    let given_up = kept(|tries| if tries <= 2 { Ok(true) } else { fails() }).await;
    assert!(
        given_up > lease && given_up + RENEW_WITHIN.as_secs() < 40 + lease,
        "{given_up}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_database_that_comes_back_in_time_keeps_the_lease() {
    // The database is away for 10 s at each of six renewals; then the lease is lost.
    let given_up = kept(|tries| match tries {
        66 => Ok(false),
        tries if tries % 11 == 0 => Ok(true),
        _ => fails(),
    })
    .await;
    assert_eq!(given_up, 6 * 30);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_is_given_up_too() {
    let begun = tokio::time::sleep(Duration::ZERO).deadline();
    keep_lease(std::future::pending::<Result<bool, StoreError>>).await;
    let ended = tokio::time::sleep(Duration::ZERO).deadline();
    assert!(ended - begun + RENEW_WITHIN < LEASE.to_std().unwrap());
}
