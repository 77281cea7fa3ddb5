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
      .appendingPathComponent(".isa-patch-\(getpid())-\(n)-\(url.lastPathComponent)").path
    pending.withLock { _ = $0.insert(path) }
    return path
  }

  public static func discard(_ temporary: String) {
    unlink(temporary)
    pending.withLock { _ = $0.remove(temporary) }
  }

  /// Syncs the temporary file and puts it in the target's place.
  /// - Throws: `ToolError` 73 where the target cannot be made, 74 where syncing failed.
  public static func commit(_ temporary: String, to target: String) throws(ToolError) {
    let descriptor = open(temporary, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannotWrite(target, reason(errno)) }
    let synced = fsync(descriptor)
    let syncError = errno
    close(descriptor)
    guard synced == 0 else {
      discard(temporary)
      throw ToolError("\(target) cannot be written: \(reason(syncError)); free space or check the disk.", .ioError)
    }
    guard rename(temporary, target) == 0 else {
      let why = reason(errno)
      discard(temporary)
      throw .cannotWrite(target, why)
    }
    pending.withLock { _ = $0.remove(temporary) }
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
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      let why = reason(errno)
      discard(temporary)
      throw .cannotWrite(target, why)
    }
    var offset = 0
    while offset < bytes.count {
      let n = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: offset), min(bytes.count - offset, 1 << 30))
      if n < 0 {
        if errno == EINTR { continue }
        let code = errno
        close(descriptor)
        discard(temporary)
        throw ToolError(
          "\(target) cannot be written: \(reason(code)); free space or choose another output with -o.",
          code == ENOSPC || code == EDQUOT || code == EIO ? .ioError : .cannotCreate)
      }
      offset += n
    }
    close(descriptor)
    try commit(temporary, to: target)
  }

  /// Fails early, before hours of work, where the target's folder cannot take a file.
  /// - Throws: `ToolError` 73.
  public static func checkWritable(_ target: String) throws(ToolError) {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: target, isDirectory: &isDirectory), isDirectory.boolValue {
      throw .cannotWrite(target, "it is a folder")
    }
    let temporary = temporaryPath(for: target)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    let code = errno
    if descriptor >= 0 { close(descriptor) }
    discard(temporary)
    guard descriptor >= 0 else { throw .cannotWrite(target, reason(code)) }
  }

  static func reason(_ code: Int32) -> String { String(cString: strerror(code)).lowercased() }
}
