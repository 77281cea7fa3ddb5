import Glibc

/// A file's bytes, mapped read-only and private; unmapped with the last reference.
///
/// A file that someone shortens while it is mapped raises SIGBUS: the folder that the user names is trusted.
public final class MappedFile: @unchecked Sendable {
  public let bytes: UnsafeRawBufferPointer

  public var count: Int { bytes.count }

  /// Maps an open descriptor, which the caller closes.
  init(descriptor: Int32, count: Int, path: String) throws(ModelError) {
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
      throw .cannotRead(path: path, reason: systemReason())
    }
    bytes = UnsafeRawBufferPointer(start: start, count: count)
  }

  deinit {
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }

  /// Maps a regular file.
  ///
  /// - Throws: `noSuchFile`, `notAFile` (folder, device, pipe) or `cannotRead`.
  public static func open(path: String) throws(ModelError) -> MappedFile {
    guard !path.utf8.contains(0) else { throw .noSuchFile(path: path) }
    // Non-blocking, so that a named pipe does not wait for a writer.
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG { throw .noSuchFile(path: path) }
      throw .cannotRead(path: path, reason: systemReason())
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .cannotRead(path: path, reason: systemReason()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
    return try MappedFile(descriptor: descriptor, count: Int(status.st_size), path: path)
  }
}

/// The text of `errno`.
func systemReason(_ code: Int32 = errno) -> String {
  var buffer = [CChar](repeating: 0, count: 256)
  guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
  return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
