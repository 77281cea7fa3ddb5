/// What a video is written as, by the ending of the name.
public enum ClipFormat: String, Sendable, CaseIterable {
  case mp4, png, jpeg

  public init?(path: String) {
    let name = path.lowercased()
    guard let format = Self.allCases.first(where: { $0.endings.contains { name.hasSuffix($0) } }) else { return nil }
    self = format
  }

  public var endings: [String] { self == .jpeg ? [".jpg", ".jpeg"] : [".\(rawValue)"] }

  /// One frame, and no more.
  public var isPicture: Bool { self != .mp4 }

  var encoder: String {
    switch self {
    case .mp4: "libx264"
    case .png: "png"
    case .jpeg: "mjpeg"
    }
  }

  /// ffmpeg's options after the encoder's name.
  var options: [String] {
    switch self {
    case .mp4: ["-crf", "12", "-pix_fmt", "yuv420p", "-bitexact", "-movflags", "+faststart", "-f", "mp4"]
    case .png: ["-bitexact", "-f", "image2pipe"]
    case .jpeg: ["-q:v", "2", "-pix_fmt", "yuvj444p", "-bitexact", "-f", "image2pipe"]
    }
  }
}
