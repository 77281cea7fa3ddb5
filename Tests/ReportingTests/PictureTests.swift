import Foundation
import Reporting
import Testing

@Suite struct PictureTests {
  /// ffmpeg reads back what was written.
  @Test func aPNGHoldsThePicture() throws {
    var state: UInt32 = 1
    let rgb = (0..<3 * 37 * 23).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(truncatingIfNeeded: state >> 24)
    }
    let picture = try #require(Picture(width: 37, height: 23, rgb: rgb))
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).png")
    defer { try? FileManager.default.removeItem(at: path) }
    try Data(try #require(picture.png)).write(to: path)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "ffmpeg", "-v", "error", "-xerror", "-err_detect", "crccheck+explode", "-i", path.path, "-f", "rawvideo",
      "-pix_fmt", "rgb24", "pipe:1",
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = [UInt8](output.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(bytes == rgb)
  }

  @Test func sizesHaveToBeRight() {
    #expect(Picture(width: 2, height: 2, rgb: Array(repeating: 0, count: 11)) == nil)
    #expect(Picture(width: 0, height: 2, rgb: []) == nil)
    #expect(Picture(width: .max, height: .max, rgb: []) == nil)
  }

  @Test func drawingStaysInside() {
    let dot = Picture(width: 3, height: 3, grey: 9)
    var picture = Picture(width: 4, height: 4, grey: 1)
    for place in [-9, -2, 3, 9] {
      picture.draw(dot, x: place, y: place, scale: 2)
      picture.draw("Wg∞é日", x: place, y: place, scale: 3, grey: 7)
    }
    #expect(picture.rgb.count == 48)
  }

  @Test func framesAreWhereTheyBelong() throws {
    let frames = (0..<4).map { Picture(width: 8, height: 4, grey: UInt8(40 * $0 + 40)) }
    let sheet = ContactSheet(
      title: "wolf, mirror", columns: ["frame 0", "frame 7"],
      rows: [.init("source", [frames[0], frames[1]]), .init("patched 35.1 dB", [frames[2], frames[3]])], scale: 2
    ).rendered()
    func count(_ grey: UInt8) -> Int {
      stride(from: 0, to: sheet.rgb.count, by: 3).count { sheet.rgb[$0] == grey && sheet.rgb[$0 + 1] == grey }
    }
    // 8×4 pixels, each as 2×2.
    #expect([40, 80, 120, 160].map { count($0) } == [128, 128, 128, 128])
    // Labels.
    #expect(count(30) > 100)
  }

  @Test func chosenFramesSpread() {
    #expect(ContactSheet.chosenFrames(of: 8, count: 4) == [0, 2, 4, 7])
    #expect(ContactSheet.chosenFrames(of: 3, count: 4) == [0, 1, 2])
    #expect(ContactSheet.chosenFrames(of: 9, count: 1) == [4])
    #expect(ContactSheet.chosenFrames(of: 0, count: 4).isEmpty)
  }
}
