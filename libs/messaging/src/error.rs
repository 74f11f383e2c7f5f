/// Why messaging could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{speaker} is not registered: nothing can be said in its name")]
    NotRegistered { speaker: String },
    #[error("NATS: {0}")]
    Nats(String),
    #[error("stream {name} is configured otherwise: {detail}")]
    StreamDiffers { name: String, detail: String },
}
