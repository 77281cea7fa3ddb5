import Glibc

/// Random access to a file or to bytes in memory, never past the end.
final class ByteSource {
  enum Failure: Error { case open, read, outOfBounds }

  private enum Storage {
    case file(Int32)
    case bytes([UInt8])
  }

  private let storage: Storage
  let count: Int

  init(_ bytes: [UInt8]) {
    storage = .bytes(bytes)
    count = bytes.count
  }

  init(path: String) throws(Failure) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .open }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw .open
    }
    storage = .file(descriptor)
    count = Int(status.st_size)
  }

  deinit { if case .file(let descriptor) = storage { close(descriptor) } }

  func read(at offset: Int, count wanted: Int) throws(Failure) -> [UInt8] {
    guard offset >= 0, wanted >= 0, offset <= count, wanted <= count - offset else { throw .outOfBounds }
    switch storage {
    case .bytes(let bytes): return Array(bytes[offset..<offset + wanted])
    case .file(let descriptor):
      let result = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
        while initialized < wanted {
          let n = pread(
            descriptor, buffer.baseAddress?.advanced(by: initialized), wanted - initialized, off_t(offset + initialized)
          )
          if n < 0, errno == EINTR { continue }
          if n <= 0 { break }
          initialized += n
        }
      }
      guard result.count == wanted else { throw .read }
      return result
    }
  }
}
