import Foundation
import Synchronization

/// Writes a file completely or not at all: into a temporary file in the target's folder, synced and renamed.
public enum AtomicFile {
  /// Temporary files that exist now; removed when the process is interrupted.
  static let pending = Mutex<Set<String>>([])
  private static let counter = Atomic<Int>(0)

  /// A name in the target's folder that no other run uses; removed again by `discard` or on Ctrl-C.
  /// The target's ending stays last, since some programs choose a format by it.
  public static func temporaryPath(for target: String) -> String {
    let url = URL(fileURLWithPath: target)
    let n = counter.add(1, ordering: .relaxed).newValue
    let path = url.deletingLastPathComponent()
      .appendingPathComponent(".isa-patch-\(getpid())-\(n)-\(url.lastPathComponent.suffix(16))").path
    pending.withLock { _ = $0.insert(path) }
    return path
  }

  public static func discard(_ temporary: String) {
    unlink(temporary)
    pending.withLock { _ = $0.remove(temporary) }
  }

  /// A file that was committed provisionally stays.
  static func settle(_ path: String) { pending.withLock { _ = $0.remove(path) } }

  /// Syncs the temporary file and puts it in the target's place.
  /// - Parameter provisionally: the target still goes on `discard` or Ctrl-C, until `settle`.
  /// - Throws: `ToolError` 73 where the target cannot be made, 74 where syncing failed.
  public static func commit(
    _ temporary: String, to target: String, provisionally: Bool = false
  ) throws(ToolError) {
    let descriptor = open(temporary, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let why = reason(errno)
      discard(temporary)
      throw .cannotWrite(target, why)
    }
    let synced = fsync(descriptor)
    let syncError = errno
    close(descriptor)
    guard synced == 0 else {
      discard(temporary)
      throw failure(target, reason(syncError))
    }
    do throws(ToolError) { try checkKind(target) } catch {
      discard(temporary)
      throw error
    }
    guard rename(temporary, target) == 0 else {
      let why = reason(errno)
      discard(temporary)
      throw .cannotWrite(target, why)
    }
    pending.withLock {
      $0.remove(temporary)
      if provisionally { $0.insert(target) }
    }
    let folder = open(URL(fileURLWithPath: target).deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  /// - Throws: `ToolError` 73 where the target cannot be made, 74 where the disk is full or fails.
  public static func write(_ bytes: some ContiguousBytes, to target: String) throws(ToolError) {
    var failure: ToolError?
    bytes.withUnsafeBytes { raw in
      do { try write(raw, to: target) } catch let error as ToolError { failure = error } catch {}
    }
    if let failure { throw failure }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer, to target: String) throws(ToolError) {
    let temporary = temporaryPath(for: target)
    let unnamed = openUnnamed(beside: temporary)
    let descriptor = unnamed ?? open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      let why = reason(errno)
      discard(temporary)
      throw .cannotWrite(target, why)
    }
    defer { close(descriptor) }
    var offset = 0
    while offset < bytes.count {
      let n = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: offset), min(bytes.count - offset, 1 << 30))
      if n < 0 {
        if errno == EINTR { continue }
        let why = reason(errno)
        discard(temporary)
        throw failure(target, why)
      }
      offset += n
    }
    if unnamed != nil, linkat(AT_FDCWD, link(to: descriptor), AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) != 0 {
      let why = reason(errno)
      discard(temporary)
      throw failure(target, why)
    }
    try commit(temporary, to: target)
  }

  /// A file without a name until it is complete: whatever ends the process, nothing of it stays. Nil where the file
  /// system has none.
  private static func openUnnamed(beside temporary: String) -> Int32? {
    // <fcntl.h> composes O_TMPFILE in a way that Swift does not import.
    let flag: Int32 = 0o20000000 | O_DIRECTORY
    let folder = URL(fileURLWithPath: temporary).deletingLastPathComponent().path
    let descriptor = open(folder, O_WRONLY | flag | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return nil }
    guard access(link(to: descriptor), F_OK) == 0 else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  private static func link(to descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

  /// Fails early, before hours of work, where the target's folder cannot take a file.
  /// - Throws: `ToolError` 73.
  public static func checkWritable(_ target: String) throws(ToolError) {
    try checkKind(target)
    let temporary = temporaryPath(for: target)
    let descriptor =
      openUnnamed(beside: temporary) ?? open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    let code = errno
    if descriptor >= 0 { close(descriptor) }
    discard(temporary)
    guard descriptor >= 0 else { throw .cannotWrite(target, reason(code)) }
  }

  /// Only a regular file is replaced: a renamed file would take the place of a device or pipe for everyone.
  private static func checkKind(_ target: String) throws(ToolError) {
    var status = stat()
    guard stat(target, &status) == 0, status.st_mode & S_IFMT != S_IFREG else { return }
    throw .cannotWrite(target, status.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is not a regular file")
  }

  /// Writing began and failed: 74 where the disk is full or broken.
  static func failure(_ target: String, _ why: String) -> ToolError {
    guard [ENOSPC, EDQUOT, EFBIG, EIO].map(reason).contains(why) else { return .cannotWrite(target, why) }
    return ToolError("\(target) cannot be written: \(why); free space or choose another output with -o.", .ioError)
  }

  static func reason(_ code: Int32) -> String { String(cString: strerror(code)).lowercased() }
}
