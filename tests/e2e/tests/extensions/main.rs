//! Our file methods (`lockgate/fs/*`), direct and under restricting profiles.

mod batch;
