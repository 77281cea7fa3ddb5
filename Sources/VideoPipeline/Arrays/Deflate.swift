import CZlib

/// Raw deflate streams and CRC-32, by zlib.
enum Deflate {
  /// No deflate stream grows by more than this (1032, as zlib's documentation derives).
  static let largestRatio = 1032

  /// The uncompressed bytes, or nil unless the stream is whole, uses all its input and gives exactly `count` bytes.
  static func inflate(_ compressed: [UInt8], count: Int) -> [UInt8]? {
    var stream = z_stream()
    guard
      inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { inflateEnd(&stream) }
    var whole = false
    let result = [UInt8](unsafeUninitializedCapacity: count + 1) { output, initialized in
      compressed.withUnsafeBufferPointer { source in
        // zlib declares its input writable, and does not write to it.
        stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
        stream.next_out = output.baseAddress
        var left = source.count
        // One byte more than is wanted, so that a longer stream shows.
        var room = count + 1
        while true {
          stream.avail_in = UInt32(min(left, 1 << 30))
          stream.avail_out = UInt32(min(room, 1 << 30))
          let (before, space) = (stream.avail_in, stream.avail_out)
          let status = CZlib.inflate(&stream, Z_NO_FLUSH)
          left -= Int(before - stream.avail_in)
          room -= Int(space - stream.avail_out)
          if status == Z_STREAM_END {
            whole = left == 0
            break
          }
          // No progress: the input ends early or the output is too long.
          if status != Z_OK || (before == stream.avail_in && space == stream.avail_out) { break }
        }
        initialized = count + 1 - room
      }
    }
    return whole && result.count == count ? result : nil
  }

  static func deflate(_ bytes: [UInt8]) -> [UInt8]? {
    var stream = z_stream()
    let status = deflateInit2_(
      &stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { return nil }
    defer { deflateEnd(&stream) }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let done = bytes.withUnsafeBufferPointer { source in
      stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
      var left = source.count
      while true {
        stream.avail_in = UInt32(min(left, 1 << 30))
        let before = stream.avail_in
        let flush = left <= 1 << 30 ? Z_FINISH : Z_NO_FLUSH
        let size = chunk.count
        let status = chunk.withUnsafeMutableBufferPointer { room in
          stream.next_out = room.baseAddress
          stream.avail_out = UInt32(size)
          return CZlib.deflate(&stream, flush)
        }
        left -= Int(before - stream.avail_in)
        output.append(contentsOf: chunk[0..<size - Int(stream.avail_out)])
        if status == Z_STREAM_END { return true }
        if status != Z_OK && status != Z_BUF_ERROR { return false }
      }
    }
    return done ? output : nil
  }

  static func crc32(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress, $0.count)) }
  }
}
