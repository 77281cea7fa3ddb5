/// Writes a zip archive into memory. Records that exceed 32 bits get zip64 fields; the date is fixed, so that equal
/// arrays give equal files.
struct ZipWriter {
  private var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0
  private static let largest = 0xFFFF_FFFF
  /// 1980-01-01, the format's first day.
  private static let date = 0x21

  mutating func add(_ name: String, _ content: [UInt8], compressed: Bool) {
    let packed = compressed ? Deflate.deflate(content) : nil
    let data = packed ?? content
    let crc = Int(Deflate.crc32(content))
    let offset = bytes.count
    let wide = max(data.count, content.count, offset) >= Self.largest
    let method = packed == nil ? 0 : 8

    func fixed(_ record: inout [UInt8], extra: Int) {
      // Version 4.5 where zip64 is used, else 2.0; bit 11: the name is UTF-8.
      for field in [wide ? 45 : 20, 0x800, method, 0, Self.date] { LittleEndian.append(field, 2, to: &record) }
      LittleEndian.append(crc, 4, to: &record)
      LittleEndian.append(wide ? Self.largest : data.count, 4, to: &record)
      LittleEndian.append(wide ? Self.largest : content.count, 4, to: &record)
      LittleEndian.append(name.utf8.count, 2, to: &record)
      LittleEndian.append(extra, 2, to: &record)
    }
    func sizes(_ record: inout [UInt8], withOffset: Bool) {
      guard wide else { return }
      LittleEndian.append(1, 2, to: &record)
      LittleEndian.append(withOffset ? 24 : 16, 2, to: &record)
      for value in [content.count, data.count] + (withOffset ? [offset] : []) {
        LittleEndian.append(value, 8, to: &record)
      }
    }

    LittleEndian.append(0x0403_4B50, 4, to: &bytes)
    fixed(&bytes, extra: wide ? 20 : 0)
    bytes += name.utf8
    sizes(&bytes, withOffset: false)
    bytes += data

    LittleEndian.append(0x0201_4B50, 4, to: &directory)
    LittleEndian.append(wide ? 45 : 20, 2, to: &directory)
    fixed(&directory, extra: wide ? 28 : 0)
    // No comment, first part, no attributes.
    LittleEndian.append(0, 2 + 2 + 2, to: &directory)
    LittleEndian.append(0, 4, to: &directory)
    LittleEndian.append(wide ? Self.largest : offset, 4, to: &directory)
    directory += name.utf8
    sizes(&directory, withOffset: true)
    count += 1
  }

  consuming func finish() -> [UInt8] {
    let offset = bytes.count
    let size = directory.count
    bytes += directory
    let wide = max(offset, size) >= Self.largest || count >= 0xFFFF
    if wide {
      let end = bytes.count
      LittleEndian.append(0x0606_4B50, 4, to: &bytes)
      LittleEndian.append(44, 8, to: &bytes)
      for field in [45, 45] { LittleEndian.append(field, 2, to: &bytes) }
      LittleEndian.append(0, 8, to: &bytes)
      for field in [count, count, size, offset] { LittleEndian.append(field, 8, to: &bytes) }
      LittleEndian.append(0x0706_4B50, 4, to: &bytes)
      LittleEndian.append(0, 4, to: &bytes)
      LittleEndian.append(end, 8, to: &bytes)
      LittleEndian.append(1, 4, to: &bytes)
    }
    LittleEndian.append(0x0605_4B50, 4, to: &bytes)
    LittleEndian.append(0, 4, to: &bytes)
    for _ in 0..<2 { LittleEndian.append(wide ? 0xFFFF : count, 2, to: &bytes) }
    LittleEndian.append(wide ? Self.largest : size, 4, to: &bytes)
    LittleEndian.append(wide ? Self.largest : offset, 4, to: &bytes)
    LittleEndian.append(0, 2, to: &bytes)
    return bytes
  }
}
