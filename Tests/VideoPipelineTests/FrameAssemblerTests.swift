import Testing
import VideoPipeline

@Suite struct FrameAssemblerTests {
  static func pictures(_ count: Int) -> [UInt8] {
    (0..<count).flatMap { frame in Array("P6\n4 3\n255\n".utf8) + (0..<36).map { UInt8($0 + 40 * frame) } }
  }

  @Test(arguments: [1, 2, 3, 7, 46, 47, 48, 1000])
  func piecesOfAnySizeGiveTheSameFrames(size: Int) {
    var assembler = FrameAssembler(frames: 2, width: 2, height: 1)
    let bytes = Self.pictures(3)
    for start in stride(from: 0, to: bytes.count, by: size) {
      let more = bytes[start..<min(bytes.count, start + size)].withUnsafeBytes { assembler.take($0) }
      #expect(more)
    }
    #expect(assembler.complete == 2)
    // Row 1, columns 1 and 2: bytes 15 to 20, by channel, frame and column.
    let expected = [15, 18, 55, 58, 16, 19, 56, 59, 17, 20, 57, 60].map { Float($0) / 127.5 - 1 }
    #expect(assembler.values == expected)
  }

  @Test(
    arguments: [
      ("P5\n4 3\n255\n", .malformed), ("P6\n4 3\n65535\n", .malformed), ("P6\n-4 3\n255\n", .malformed),
      ("P6\n99999999999999999999 3\n255\n", .malformed), (String(repeating: "P", count: 100), .malformed),
      ("P6\n1 3\n255\n", .tooSmall(width: 1, height: 3)),
      ("P6\n9999999999 9999999999\n255\n", .tooLarge(width: 9_999_999_999, height: 9_999_999_999)),
    ] as [(String, FrameAssembler.State)])
  func whatIsNoPictureStops(text: String, state: FrameAssembler.State) {
    var assembler = FrameAssembler(frames: 2, width: 2, height: 1)
    let more = Array(text.utf8).withUnsafeBytes { assembler.take($0) }
    #expect(!more)
    #expect(assembler.state == state)
    #expect(assembler.complete == 0)
  }
}
