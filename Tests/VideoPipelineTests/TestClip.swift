import Foundation

/// Clips made by ffmpeg itself, and bytes read back by it: independent of what is tested.
enum TestClip {
  /// A moving test picture, H.264.
  static func make(_ path: String, size: String = "50x40", frames: Int = 6, rate: String = "10", options: [String] = [])
    throws
  {
    try run(
      [
        "-f", "lavfi", "-i", "testsrc=size=\(size):rate=\(rate)", "-frames:v", "\(frames)", "-c:v", "libx264", "-crf",
        "10",
      ]
        + options + ["-pix_fmt", "yuv420p", "file:" + path])
  }

  /// All frames as rgb24 bytes.
  static func rgb(_ path: String) throws -> [UInt8] {
    try run(["-i", "file:" + path, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"])
  }

  @discardableResult static func run(_ arguments: [String]) throws -> [UInt8] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["ffmpeg", "-v", "error", "-nostdin", "-y"] + arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = [UInt8](output.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure.ffmpeg(process.terminationStatus) }
    return bytes
  }

  enum Failure: Error { case ffmpeg(Int32) }
}
