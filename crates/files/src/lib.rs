mod beneath;
mod content;
mod digest;
mod hashed;
mod media;
mod name;
mod range;
mod walk;
