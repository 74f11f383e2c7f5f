use std::sync::Once;

/// Chooses `ring` for every TLS connection of the process that does not choose for itself.
///
/// The HTTP client is built without a choice and panics when there is none.
pub(crate) fn choose_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::ring::default_provider()
            .install_default()
            .is_err()
        {
            tracing::debug!("Another crypto provider was chosen before");
        }
    });
}
