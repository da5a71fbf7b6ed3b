//! A disk that fails when it is told to, and remembers what was written and what was synced: a layer between `SQLite` and
//! its own access to files, in use for the directories given to [`Disk::under`] and for nothing else.
//!
//! It models what a power cut leaves: of each file what was synced, and of what was written since any part. It does not model
//! disks that lie about having synced.
#![expect(unsafe_code, reason = "SQLite calls its file layer through C pointers")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use peerwatch::base::rng::Rng;
use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// One operation fails, and the next ones do not.
    Once,
    /// All fail from then on.
    Always,
    /// Writing fails from then on, for want of space.
    Full,
}

/// What happened to files, in order.
#[derive(Clone)]
enum Op {
    Write(usize, u64, Arc<[u8]>),
    Truncate(usize, u64),
    Sync(usize),
    /// A name now means this file.
    Create(String, usize),
    /// A name means nothing any more; whether that is on the disk at once.
    Delete(String, bool),
}

#[derive(Default)]
struct State {
    operations: u64,
    plan: Option<(u64, Way)>,
    fired: bool,
    read_only: bool,
    names: BTreeMap<String, usize>,
    files: usize,
    log: Vec<Op>,
}

/// One directory's disk.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

/// Directories and their disks. `SQLite` hands nothing through to its file layer but a path.
static DISKS: Mutex<Vec<(PathBuf, Disk)>> = Mutex::new(Vec::new());

/// The layer below.
struct Real(*mut sqlite3_vfs);
// SAFETY: the object behind it is SQLite's own, never changes and lives for ever.
unsafe impl Send for Real {}
// SAFETY: as above.
unsafe impl Sync for Real {}

/// Registers the layer as `SQLite`'s default when it is first used.
static REAL: LazyLock<Real> = LazyLock::new(|| {
    // SAFETY: called once; the copy lives for ever, and differs from a sound object in two functions and one size.
    unsafe {
        let real = ffi::sqlite3_vfs_find(std::ptr::null());
        let mut layer: sqlite3_vfs = std::ptr::read(real);
        layer.szOsFile += c_int::try_from(size_of::<File>()).unwrap();
        layer.zName = c"failing".as_ptr();
        layer.pNext = std::ptr::null_mut();
        layer.xOpen = Some(open);
        layer.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(layer)), 1), ffi::SQLITE_OK);
        Real(real)
    }
});

/// An open file: this, then the real one's bytes.
#[repr(C)]
struct File {
    methods: *const sqlite3_io_methods,
    disk: *const Mutex<State>,
    number: usize,
}

impl Disk {
    /// Stands between `SQLite` and the files of this directory from now on.
    pub(crate) fn under(directory: &Path) -> Self {
        let _ = &REAL.0;
        let disk = Self(Arc::default());
        DISKS.lock().unwrap_or_else(PoisonError::into_inner).push((directory.to_path_buf(), disk.clone()));
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the operation fail that comes after `operations` more.
    pub(crate) fn fail_after(&self, operations: u64, way: Way) {
        let mut state = self.state();
        state.plan = Some((state.operations + operations, way));
        state.fired = false;
    }

    /// Ends all failing; says whether anything had failed.
    pub(crate) fn heal(&self) -> bool {
        let mut state = self.state();
        state.plan = None;
        state.fired
    }

    /// Lets files be opened for reading only, as on a file system that is mounted so.
    pub(crate) fn read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// Whether anything has failed since the plan was made.
    pub(crate) fn has_failed(&self) -> bool {
        self.state().fired
    }

    /// How much has been written, truncated, synced, created and deleted.
    pub(crate) fn length(&self) -> usize {
        self.state().log.len()
    }

    /// The files as a power cut after `length` of that may leave them.
    pub(crate) fn cut(&self, length: usize, rng: &mut Rng) -> BTreeMap<String, Vec<u8>> {
        let log = &self.state().log[..length];
        // How much survives of what was not synced: nothing, all of it, or each piece by chance.
        let luck = rng.below(4);
        let mut survives = || match luck {
            0 => false,
            1 => true,
            _ => rng.below(2) == 0,
        };
        // Up to where each file, and the directory, is on the disk. SQLite syncs the directory with the first sync of
        // a file that is a log or journal.
        let (mut synced, mut names_synced, mut logs) = (BTreeMap::new(), 0, BTreeSet::new());
        for (at, op) in log.iter().enumerate() {
            match op {
                Op::Sync(file) => {
                    synced.insert(*file, at);
                    names_synced = if logs.remove(file) { at } else { names_synced };
                }
                Op::Create(name, file) if name.contains('-') => drop(logs.insert(*file)),
                Op::Delete(_, true) => names_synced = at,
                _ => {}
            }
        }
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut files: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for (at, op) in log.iter().enumerate() {
            let safe = match op {
                Op::Write(file, ..) | Op::Truncate(file, _) => synced.get(file).is_some_and(|synced| at <= *synced),
                _ => at <= names_synced,
            };
            if !safe && !survives() {
                continue;
            }
            match op {
                Op::Write(file, offset, data) => {
                    // The last piece may be cut short too.
                    let torn = !safe && 1 < luck && data.len() > 512 && survives();
                    let part = if torn { data.len() / 2 / 512 * 512 } else { data.len() };
                    let content = files.entry(*file).or_default();
                    let offset = usize::try_from(*offset).unwrap();
                    content.resize(content.len().max(offset + part), 0);
                    content[offset..offset + part].copy_from_slice(&data[..part]);
                }
                Op::Truncate(file, size) => files.entry(*file).or_default().resize(usize::try_from(*size).unwrap(), 0),
                Op::Create(name, file) => drop(names.insert(name.clone(), *file)),
                Op::Delete(name, _) => drop(names.remove(name)),
                Op::Sync(_) => {}
            }
        }
        names.into_iter().map(|(name, file)| (name, files.get(&file).cloned().unwrap_or_default())).collect()
    }
}

impl State {
    /// Counts an operation; true when it is to fail.
    fn fails(&mut self, writes: bool) -> bool {
        self.operations += 1;
        let Some((at, way)) = self.plan else { return false };
        let fails = match way {
            Way::Once => self.operations == at,
            Way::Always => at <= self.operations,
            Way::Full => writes && at <= self.operations,
        };
        self.fired |= fails;
        fails
    }

    fn is_full(&self) -> bool {
        matches!(self.plan, Some((_, Way::Full)))
    }
}

// ---------------------------------------------------------------------------------------------
// What SQLite calls

/// The disk of a path, and the file's name there.
fn disk_of(path: *const c_char) -> Option<(Disk, String)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: SQLite hands over a C string.
    let path = Path::new(unsafe { CStr::from_ptr(path) }.to_str().ok()?);
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, disk) = disks.iter().rev().find(|(directory, _)| path.parent() == Some(directory))?;
    Some((disk.clone(), path.file_name()?.to_str()?.to_owned()))
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gave a file of the size that was asked for, and arguments as the real function wants them.
    unsafe {
        let real = (*REAL.0).xOpen.unwrap();
        let Some((disk, name)) = disk_of(path) else { return real(REAL.0, path, file, flags, out) };
        (*file).pMethods = std::ptr::null();
        if disk.state().fails(false) {
            return ffi::SQLITE_CANTOPEN;
        }
        let flags = if disk.state().read_only {
            flags & !(ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE) | ffi::SQLITE_OPEN_READONLY
        } else {
            flags
        };
        let code = real(REAL.0, path, below(file), flags, out);
        if code == ffi::SQLITE_OK {
            let number = disk.state().opened(name);
            std::ptr::write(file.cast(), File { methods: &raw const METHODS, disk: Arc::into_raw(disk.0), number });
        }
        code
    }
}

impl State {
    /// The number of the file of this name; a new one when there is none.
    fn opened(&mut self, name: String) -> usize {
        let files = &mut self.files;
        let log = &mut self.log;
        *self.names.entry(name).or_insert_with_key(|name| {
            *files += 1;
            log.push(Op::Create(name.clone(), *files));
            *files
        })
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: arguments are handed on as they came.
    unsafe {
        let real = (*REAL.0).xDelete.unwrap();
        let Some((disk, name)) = disk_of(path) else { return real(REAL.0, path, sync) };
        let mut state = disk.state();
        if state.fails(false) {
            return ffi::SQLITE_IOERR_DELETE;
        }
        let code = real(REAL.0, path, 0);
        if code == ffi::SQLITE_OK && state.names.remove(&name).is_some() {
            state.log.push(Op::Delete(name, sync != 0));
        }
        code
    }
}

/// The real file behind ours.
unsafe fn below(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: its bytes follow ours.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

/// Our own part, and the real file's functions.
macro_rules! parts {
    ($file:ident) => {{
        // SAFETY: only files that `open` made have these functions, and they are open.
        unsafe {
            let own = &*$file.cast::<File>();
            let state = (*own.disk).lock().unwrap_or_else(PoisonError::into_inner);
            (own.number, state, &*(*below($file)).pMethods, below($file))
        }
    }};
}

/// Hands a call on as it came.
macro_rules! through {
    ($name:ident, $call:ident $(, $argument:ident: $type:ty)*) => {
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $type)*) -> c_int {
            // SAFETY: as the real function wants it.
            unsafe { (*(*below(file)).pMethods).$call.unwrap()(below(file) $(, $argument)*) }
        }
    };
}

through!(lock, xLock, level: c_int);
through!(unlock, xUnlock, level: c_int);
through!(check_lock, xCheckReservedLock, out: *mut c_int);
through!(control, xFileControl, what: c_int, argument: *mut c_void);
through!(sector, xSectorSize);
through!(characteristics, xDeviceCharacteristics);
through!(shared_lock, xShmLock, offset: c_int, count: c_int, flags: c_int);
through!(shared_unmap, xShmUnmap, delete: c_int);

unsafe extern "C" fn barrier(file: *mut sqlite3_file) {
    // SAFETY: as the real function wants it.
    unsafe { (*(*below(file)).pMethods).xShmBarrier.unwrap()(below(file)) }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: this is the last call for this file; the disk was counted when it was opened.
    unsafe {
        let code = (*(*below(file)).pMethods).xClose.unwrap()(below(file));
        drop(Arc::from_raw((*file.cast::<File>()).disk));
        code
    }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, into: *mut c_void, amount: c_int, offset: i64) -> c_int {
    let (_, mut state, methods, real) = parts!(file);
    if state.fails(false) {
        return ffi::SQLITE_IOERR_READ;
    }
    // SAFETY: as the real function wants it.
    unsafe { methods.xRead.unwrap()(real, into, amount, offset) }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, amount: c_int, offset: i64) -> c_int {
    let (number, mut state, methods, real) = parts!(file);
    let fails = state.fails(true);
    // A write that fails has often begun.
    let amount = if fails { amount / 2 } else { amount };
    // SAFETY: SQLite hands over so many bytes.
    let data: &[u8] = unsafe { std::slice::from_raw_parts(from.cast(), usize::try_from(amount).unwrap()) };
    state.log.push(Op::Write(number, offset.cast_unsigned(), data.into()));
    // SAFETY: as the real function wants it.
    let code = unsafe { methods.xWrite.unwrap()(real, from, amount, offset) };
    match (fails, state.is_full()) {
        (false, _) => code,
        (true, true) => ffi::SQLITE_FULL,
        (true, false) => ffi::SQLITE_IOERR_WRITE,
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    let (number, mut state, methods, real) = parts!(file);
    if state.fails(true) {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    state.log.push(Op::Truncate(number, size.cast_unsigned()));
    // SAFETY: as the real function wants it.
    unsafe { methods.xTruncate.unwrap()(real, size) }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    let (number, mut state, ..) = parts!(file);
    if state.fails(false) {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    // The process goes on, so nothing need reach the real disk.
    state.log.push(Op::Sync(number));
    ffi::SQLITE_OK
}

unsafe extern "C" fn size(file: *mut sqlite3_file, out: *mut i64) -> c_int {
    let (_, mut state, methods, real) = parts!(file);
    if state.fails(false) {
        return ffi::SQLITE_IOERR_FSTAT;
    }
    // SAFETY: as the real function wants it.
    unsafe { methods.xFileSize.unwrap()(real, out) }
}

unsafe extern "C" fn shared_map(file: *mut sqlite3_file, page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int {
    let (_, mut state, methods, real) = parts!(file);
    if state.fails(false) {
        return ffi::SQLITE_IOERR_SHMMAP;
    }
    // SAFETY: as the real function wants it.
    unsafe { methods.xShmMap.unwrap()(real, page, size, extend, out) }
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shared_map),
    xShmLock: Some(shared_lock),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(shared_unmap),
    xFetch: None,
    xUnfetch: None,
};
