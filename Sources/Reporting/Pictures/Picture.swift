import CZlib

/// A picture of red, green and blue bytes, row by row.
public struct Picture: Equatable, Sendable {
  public let width: Int
  public let height: Int
  /// 3 · width · height.
  public private(set) var rgb: [UInt8]

  /// nil where the bytes are not those of the size.
  public init?(width: Int, height: Int, rgb: [UInt8]) {
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, pixels <= Int.max / 3, rgb.count == 3 * pixels else { return nil }
    self.width = width
    self.height = height
    self.rgb = rgb
  }

  /// One grey everywhere; sizes below 1 become 1.
  public init(width: Int, height: Int, grey: UInt8) {
    self.width = max(1, width)
    self.height = max(1, height)
    rgb = Array(repeating: grey, count: 3 * self.width * self.height)
  }

  /// Each pixel of `picture` as a square of `scale`; what lies outside is left out.
  public mutating func draw(_ picture: Picture, x: Int, y: Int, scale: Int = 1) {
    for row in 0..<picture.height * scale where (0..<height).contains(y + row) {
      for column in 0..<picture.width * scale where (0..<width).contains(x + column) {
        let from = 3 * (row / scale * picture.width + column / scale)
        let to = 3 * ((y + row) * width + x + column)
        for channel in 0..<3 { rgb[to + channel] = picture.rgb[from + channel] }
      }
    }
  }

  /// Text with its upper left corner at (x, y); see `BitmapFont`.
  public mutating func draw(_ text: String, x: Int, y: Int, scale: Int = 1, grey: UInt8) {
    for (index, character) in text.enumerated() {
      for (row, bits) in BitmapFont.rows(of: character).enumerated() {
        for column in 0..<BitmapFont.width where bits >> (BitmapFont.width - 1 - column) & 1 == 1 {
          fill(
            x: x + (index * BitmapFont.advance + column) * scale, y: y + row * scale, size: scale, grey: grey)
        }
      }
    }
  }

  private mutating func fill(x: Int, y: Int, size: Int, grey: UInt8) {
    for row in max(0, y)..<max(0, y, min(height, y + size)) {
      for column in max(0, x)..<max(0, x, min(width, x + size)) {
        for channel in 0..<3 { rgb[3 * (row * width + column) + channel] = grey }
      }
    }
  }

  /// The picture as a PNG file; nil where zlib has no memory.
  public var png: [UInt8]? {
    guard width <= Int(Int32.max), height <= Int(Int32.max) else { return nil }
    // Every row is the difference from the one above it (filter 2), the first from black.
    var rows: [UInt8] = []
    rows.reserveCapacity(rgb.count + height)
    let stride = 3 * width
    for y in 0..<height {
      rows.append(2)
      for x in 0..<stride {
        let above = y > 0 ? rgb[(y - 1) * stride + x] : 0
        rows.append(rgb[y * stride + x] &- above)
      }
    }
    var packed = [UInt8](repeating: 0, count: Int(compressBound(uLong(rows.count))))
    var length = uLongf(packed.count)
    guard compress2(&packed, &length, rows, uLong(rows.count), 6) == Z_OK else { return nil }

    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    // 8 bits a channel, RGB, deflate, the five filters, not interlaced.
    Self.chunk("IHDR", Self.bigEndian(width) + Self.bigEndian(height) + [8, 2, 0, 0, 0], to: &file)
    Self.chunk("IDAT", Array(packed[0..<Int(length)]), to: &file)
    Self.chunk("IEND", [], to: &file)
    return file
  }

  private static func chunk(_ name: String, _ content: [UInt8], to file: inout [UInt8]) {
    let checked = Array(name.utf8) + content
    file += bigEndian(content.count)
    file += checked
    file += bigEndian(Int(crc32(0, checked, uInt(checked.count))))
  }

  private static func bigEndian(_ value: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }
}
