/// Files that hold one picture, told by their first bytes: ffmpeg's own guess goes by the name, in which it looks for
/// numbers of a sequence.
enum StillPicture {
  /// First bytes, and ffmpeg's demuxer.
  private static let signatures: [(bytes: [UInt8], demuxer: String)] = [
    ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], "png_pipe"), ([0xFF, 0xD8, 0xFF], "jpeg_pipe"),
    (Array("II*\0".utf8), "tiff_pipe"), (Array("MM\0*".utf8), "tiff_pipe"), (Array("qoif".utf8), "qoi_pipe"),
    ([0x76, 0x2F, 0x31, 0x01], "exr_pipe"), (Array("DDS ".utf8), "dds_pipe"), (Array("8BPS".utf8), "psd_pipe"),
    (Array("SDPX".utf8), "dpx_pipe"), (Array("XPDS".utf8), "dpx_pipe"), ([0xFF, 0x0A], "jpegxl_pipe"),
    ([0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20], "jpegxl_pipe"), ([0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20], "j2k_pipe"),
    (Array("P5\n".utf8), "pgm_pipe"), (Array("P6\n".utf8), "ppm_pipe"),
  ]

  /// The demuxer that reads a file as one picture; nil where it is none.
  static func demuxer(of path: String) -> String? {
    guard let source = try? ByteSource(path: path), let head = try? source.read(at: 0, count: min(source.count, 4096))
    else { return nil }
    if head.starts(with: "RIFF".utf8), head.dropFirst(8).starts(with: "WEBP".utf8) { return "webp_pipe" }
    // A bitmap's second field is its size, and the third is zero.
    if head.starts(with: "BM".utf8), head.count > 10, head[6..<10].allSatisfy({ $0 == 0 }) { return "bmp_pipe" }
    guard let found = signatures.first(where: { head.starts(with: $0.bytes) })?.demuxer else { return nil }
    // An animated PNG says so before its first picture.
    let isAnimated = found == "png_pipe" && head.indices.dropLast(3).contains { head[$0...].starts(with: "acTL".utf8) }
    return isAnimated ? nil : found
  }
}
