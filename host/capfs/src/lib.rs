//! The capability filesystem: files through a guest that holds only what a profile grants.
