/// The central directory of a zip archive, zip64 included. Local headers give only where the data starts, since numpy
/// leaves their sizes out.
enum ZipDirectory {
  enum Failure: Error {
    case notZip
    case damaged(String)
    case unsupported(String)
    case checksum
    case read

    var problem: NpzError.Problem {
      switch self {
      case .notZip: .notZip
      case .damaged(let what): .damaged(what)
      case .unsupported(let what): .unsupported(what)
      case .checksum: .checksum
      case .read: .readFailed
      }
    }
  }

  struct Member {
    let name: String
    let deflated: Bool
    let crc: UInt32
    let compressedSize: Int
    let size: Int
    let headerOffset: Int
  }

  private static let saturated32 = 0xFFFF_FFFF
  private static let saturated16 = 0xFFFF
  private static let maximumMembers = 1 << 16

  static func members(of source: ByteSource) throws(Failure) -> [Member] {
    let end = try endRecord(of: source)
    guard end.count <= maximumMembers else { throw .unsupported("more than \(maximumMembers) arrays") }
    let directory = LittleEndian(bytes: try source.bytes(at: end.offset, end.size))
    var members: [Member] = []
    var position = 0
    for _ in 0..<end.count {
      members.append(try member(directory, &position, within: end.offset))
    }
    guard position == end.size else { throw .damaged("its directory holds more than it says") }
    return members
  }

  private static func endRecord(of source: ByteSource) throws(Failure) -> (offset: Int, size: Int, count: Int) {
    let tailSize = min(source.count, 22 + saturated16)
    let tailStart = source.count - tailSize
    let tail = LittleEndian(bytes: try source.bytes(at: tailStart, tailSize))
    var position = tailSize - 22
    // A comment may follow; it has to reach to the end exactly.
    while position >= 0, tail.u32(position) != 0x0605_4B50 || tail.u16(position + 20) != tailSize - position - 22 {
      position -= 1
    }
    guard position >= 0, let disks = tail.u32(position + 4), var count = tail.u16(position + 10),
      var size = tail.u32(position + 12), var offset = tail.u32(position + 16)
    else { throw .notZip }
    guard disks == 0 || disks == saturated32 else { throw .unsupported("an archive in several parts") }
    var end = tailStart + position
    if count == saturated16 || size == saturated32 || offset == saturated32, end >= 20 {
      let locator = LittleEndian(bytes: try source.bytes(at: end - 20, 20))
      if locator.u32(0) == 0x0706_4B50 {
        guard let place = locator.u64(8), place <= end - 20 - 56 else { throw .damaged("its end record is misplaced") }
        let record = LittleEndian(bytes: try source.bytes(at: place, 56))
        guard record.u32(0) == 0x0606_4B50, let wideCount = record.u64(32), let wideSize = record.u64(40),
          let wideOffset = record.u64(48)
        else { throw .damaged("its end record is not understood") }
        (count, size, offset, end) = (wideCount, wideSize, wideOffset, place)
      }
    }
    guard offset <= end, size <= end - offset else { throw .damaged("its directory lies outside the file") }
    return (offset, size, count)
  }

  private static func member(
    _ directory: LittleEndian, _ position: inout Int, within dataEnd: Int
  ) throws(Failure) -> Member {
    let start = position
    guard directory.u32(start) == 0x0201_4B50, let flags = directory.u16(start + 8),
      let method = directory.u16(start + 10), let crc = directory.u32(start + 16),
      var compressedSize = directory.u32(start + 20), var size = directory.u32(start + 24),
      let nameLength = directory.u16(start + 28), let extraLength = directory.u16(start + 30),
      let commentLength = directory.u16(start + 32), var offset = directory.u32(start + 42)
    else { throw .damaged("its directory is cut off") }
    let (nameStart, extraStart) = (start + 46, start + 46 + nameLength)
    let extraEnd = extraStart + extraLength
    position = extraEnd + commentLength
    guard position <= directory.bytes.count else { throw .damaged("its directory is cut off") }
    let name = String(decoding: directory.bytes[nameStart..<extraStart], as: UTF8.self)

    var field = extraStart
    while field + 4 <= extraEnd, let id = directory.u16(field), let length = directory.u16(field + 2) {
      let end = field + 4 + length
      guard end <= extraEnd else { throw .damaged("an extra field is cut off") }
      if id == 1 {
        var value = field + 4
        func wide(_ narrow: Int) throws(Failure) -> Int {
          if narrow != saturated32 { return narrow }
          guard value + 8 <= end, let wide = directory.u64(value) else { throw .damaged("a zip64 size is cut off") }
          value += 8
          return wide
        }
        size = try wide(size)
        compressedSize = try wide(compressedSize)
        offset = try wide(offset)
      }
      field = end
    }
    guard flags & 1 == 0 else { throw .unsupported("encryption") }
    guard method == 0 || method == 8 else { throw .unsupported("compression method \(method)") }
    guard offset <= dataEnd, compressedSize <= dataEnd - offset else {
      throw .damaged("'\(name)' lies outside the file")
    }
    let fits = method == 0 ? size == compressedSize : size / Deflate.largestRatio <= compressedSize
    guard fits else { throw .damaged("'\(name)' claims more bytes than it has") }
    return Member(
      name: name, deflated: method == 8, crc: UInt32(truncatingIfNeeded: crc), compressedSize: compressedSize,
      size: size,
      headerOffset: offset)
  }
}

extension ZipDirectory.Member {
  /// The member's bytes, unpacked and checked.
  func bytes(in source: ByteSource) throws(ZipDirectory.Failure) -> [UInt8] {
    let header = LittleEndian(bytes: try source.bytes(at: headerOffset, 30))
    guard header.u32(0) == 0x0403_4B50, let nameLength = header.u16(26), let extraLength = header.u16(28) else {
      throw .damaged("its header is misplaced")
    }
    let stored = try source.bytes(at: headerOffset + 30 + nameLength + extraLength, compressedSize)
    guard let bytes = deflated ? Deflate.inflate(stored, count: size) : stored else {
      throw .damaged("it cannot be decompressed")
    }
    guard Deflate.crc32(bytes) == crc else { throw .checksum }
    return bytes
  }
}

extension ByteSource {
  fileprivate func bytes(at offset: Int, _ count: Int) throws(ZipDirectory.Failure) -> [UInt8] {
    do throws(ByteSource.Failure) {
      return try read(at: offset, count: count)
    } catch .outOfBounds {
      throw .damaged("a part lies outside the file")
    } catch {
      throw .read
    }
  }
}
