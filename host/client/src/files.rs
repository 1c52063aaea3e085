//! `fs/*` as typed calls. Params come ready made; [`Client::path`] makes their paths. Those that only look are asked again by themselves where the link is lost meanwhile.

use lockgate_wire::fs::*;
use lockgate_wire::lockgate::batch::{BatchParams, BatchResult};
use lockgate_wire::lockgate::files::*;
use lockgate_wire::lockgate::tree::{
    FinishTreeParams, OpenTreeParams, TreeResult, WriteTreeBlockParams,
};
use lockgate_wire::{Empty, Method};

use crate::{Client, ClientError, again};

impl Client {
    /// The contents of a file.
    pub async fn read_file(&self, params: &ReadFileParams) -> Result<Vec<u8>, ClientError> {
        let result: ReadFileResult = self.look(Method::FsReadFile, params).await?;
        Ok(result.data_base64.0)
    }

    /// Creates or overwrites a file.
    pub async fn write_file(&self, params: &WriteFileParams<'_>) -> Result<(), ClientError> {
        let Empty {} = self.call(Method::FsWriteFile.name(), params).await?;
        Ok(())
    }

    /// Makes a directory.
    pub async fn create_directory(
        &self,
        params: &CreateDirectoryParams,
    ) -> Result<(), ClientError> {
        let Empty {} = self.call(Method::FsCreateDirectory.name(), params).await?;
        Ok(())
    }

    /// Looks at a path.
    pub async fn metadata(
        &self,
        params: &GetMetadataParams,
    ) -> Result<MetadataResult, ClientError> {
        self.look(Method::FsGetMetadata, params).await
    }

    /// Resolves a path.
    pub async fn canonicalize(
        &self,
        params: &CanonicalizeParams,
    ) -> Result<CanonicalizeResult, ClientError> {
        self.look(Method::FsCanonicalize, params).await
    }

    /// Lists a directory.
    pub async fn read_directory(
        &self,
        params: &ReadDirectoryParams,
    ) -> Result<ReadDirectoryResult, ClientError> {
        self.look(Method::FsReadDirectory, params).await
    }

    /// Lists a tree.
    pub async fn walk(&self, params: &WalkParams) -> Result<WalkResult, ClientError> {
        self.look(Method::FsWalk, params).await
    }

    /// Removes a file or a tree.
    pub async fn remove(&self, params: &RemoveParams) -> Result<(), ClientError> {
        let Empty {} = self.call(Method::FsRemove.name(), params).await?;
        Ok(())
    }

    /// Copies a file or a tree.
    pub async fn copy(&self, params: &CopyParams) -> Result<CopyResult, ClientError> {
        self.call(Method::FsCopy.name(), params).await
    }

    /// Extension: many operations in one round trip.
    pub async fn batch(&self, params: &BatchParams) -> Result<BatchResult, ClientError> {
        let method = Method::LockgateFsBatch;
        match again::only_looks(params) {
            true => self.look(method, params).await,
            false => self.call(method.name(), params).await,
        }
    }

    /// Extension: gives a file, a link or a directory another name.
    pub async fn rename(&self, params: &RenameParams) -> Result<(), ClientError> {
        let Empty {} = self.call(Method::LockgateFsRename.name(), params).await?;
        Ok(())
    }

    /// Extension: makes a symbolic link.
    pub async fn symlink(&self, params: &SymlinkParams) -> Result<(), ClientError> {
        let Empty {} = self.call(Method::LockgateFsSymlink.name(), params).await?;
        Ok(())
    }

    /// Extension: what a symbolic link says.
    pub async fn read_link(&self, params: &ReadLinkParams) -> Result<ReadLinkResult, ClientError> {
        self.look(Method::LockgateFsReadLink, params).await
    }

    /// Extension: sets permission bits.
    pub async fn set_mode(&self, params: &SetModeParams) -> Result<(), ClientError> {
        let Empty {} = self.call(Method::LockgateFsSetMode.name(), params).await?;
        Ok(())
    }

    /// Extension: sets times.
    pub async fn set_times(&self, params: &SetTimesParams) -> Result<(), ClientError> {
        let Empty {} = self.call(Method::LockgateFsSetTimes.name(), params).await?;
        Ok(())
    }

    /// Extension: a tree to be read, with [`Client::read_block`] in order and then [`Client::finish_tree`].
    pub async fn read_tree(&self, params: &OpenTreeParams) -> Result<OpenResult, ClientError> {
        self.look(Method::LockgateFsReadTree, params).await
    }

    /// Extension: what a tree has, without its contents, in lines of JSON that are read like it.
    pub async fn list_tree(&self, params: &OpenTreeParams) -> Result<OpenResult, ClientError> {
        self.look(Method::LockgateFsListTree, params).await
    }

    /// Extension: a tree to be written, with [`Client::write_tree_block`] in order and then [`Client::finish_tree`].
    pub async fn write_tree(&self, params: &OpenTreeParams) -> Result<OpenResult, ClientError> {
        self.call(Method::LockgateFsWriteTree.name(), params).await
    }

    /// Extension: the next bytes of a tree that is written.
    pub async fn write_tree_block(
        &self,
        params: &WriteTreeBlockParams<'_>,
    ) -> Result<(), ClientError> {
        let Empty {} = self
            .call(Method::LockgateFsWriteTreeBlock.name(), params)
            .await?;
        Ok(())
    }

    /// Extension: ends a tree and tells what travelled.
    pub async fn finish_tree(&self, params: &FinishTreeParams) -> Result<TreeResult, ClientError> {
        self.call(Method::LockgateFsFinishTree.name(), params).await
    }

    /// Extension: replaces a file by another, all of it or nothing.
    pub async fn replace_file(&self, params: &ReplaceFileParams<'_>) -> Result<(), ClientError> {
        let Empty {} = self
            .call(Method::LockgateFsReplaceFile.name(), params)
            .await?;
        Ok(())
    }

    /// Extension: adds to the end of a file.
    pub async fn append_file(&self, params: &AppendFileParams<'_>) -> Result<(), ClientError> {
        let Empty {} = self
            .call(Method::LockgateFsAppendFile.name(), params)
            .await?;
        Ok(())
    }

    /// Opens a file for reading in blocks.
    pub async fn open(&self, params: &OpenParams) -> Result<OpenResult, ClientError> {
        match params.mode {
            OpenMode::Read => self.look(Method::FsOpen, params).await,
            _ => self.call(Method::FsOpen.name(), params).await,
        }
    }

    /// Reads a block of an open file.
    pub async fn read_block(
        &self,
        params: &ReadBlockParams,
    ) -> Result<ReadBlockResult, ClientError> {
        self.call(Method::FsReadBlock.name(), params).await
    }

    /// Writes a block of a file that was opened for writing.
    pub async fn write_block(&self, params: &WriteBlockParams<'_>) -> Result<(), ClientError> {
        let Empty {} = self.call(Method::FsWriteBlock.name(), params).await?;
        Ok(())
    }

    /// Closes an open file.
    pub async fn close_file(&self, params: &CloseParams) -> Result<(), ClientError> {
        let Empty {} = self
            .call_beyond_limit(Method::FsClose.name(), params)
            .await?;
        Ok(())
    }
}
