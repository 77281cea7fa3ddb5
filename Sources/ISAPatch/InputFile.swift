import Foundation

/// Reads the smaller files that a command is given: regular ones, whole, up to a limit.
enum InputFile {
  /// Of documents that people write or read.
  static let documentLimit = 64 << 20
  /// Of statistics, which hold every head of every site.
  static let statisticsLimit = 1 << 30

  /// - Throws: `ToolError` 66 where there is no such file, 65 where it is a folder, a device, a pipe or too large, 74 where
  ///   it cannot be read.
  static func read(_ path: String, limit: Int = documentLimit) throws(ToolError) -> Data {
    // Non-blocking, so that a named pipe does not wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      guard errno != ENOENT, errno != ENOTDIR, errno != ENAMETOOLONG else { throw .missing(path) }
      throw .readFailed(path, AtomicFile.reason(errno))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw ToolError("\(path) is not a regular file; give the path of one.", .dataError)
    }
    let size = Int(status.st_size)
    guard size <= limit else {
      throw ToolError("\(path) has \(size) bytes, which no such file needs; give another one.", .dataError)
    }
    var data = Data(count: size)
    var done = 0
    while done < size {
      let count = data.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress?.advanced(by: done), size - done) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .readFailed(path, AtomicFile.reason(errno)) }
      // Someone shortened it.
      if count == 0 { break }
      done += count
    }
    return data.prefix(done)
  }
}
