import Foundation

/// The ffmpeg programs of this machine. Clips come from strangers: no shell, files and pipes only, container formats
/// that refer to no other files, limits on size and frames, and names that cannot be taken for options.
public struct FFmpeg: Equatable, Sendable {
  public let ffmpeg: String
  public let ffprobe: String

  /// Pixels of a clip's frame.
  public static let maximumPixels = 1 << 26
  /// Frames that are read of a clip.
  public static let maximumFrames = 4096

  /// No playlists: hls, concat and dash files name further files.
  static let formats =
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,ivf,flv,ogg,asf,nut,gif,apng,yuv4mpegpipe,mxf"

  public init(ffmpeg: String, ffprobe: String) {
    self.ffmpeg = ffmpeg
    self.ffprobe = ffprobe
  }

  /// Looks along `PATH`.
  public static func find(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(ClipError) -> FFmpeg {
    let folders = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":").map(String.init)
    func path(_ program: String) throws(ClipError) -> String {
      let paths = folders.filter { $0.hasPrefix("/") }.map { "\($0)/\(program)" }
      guard let found = paths.first(where: { access($0, X_OK) == 0 }) else { throw .ffmpegMissing(program: program) }
      return found
    }
    return FFmpeg(ffmpeg: try path("ffmpeg"), ffprobe: try path("ffprobe"))
  }

  /// First line of what `ffmpeg -version` prints.
  public func version() throws(ClipError) -> String {
    let (status, output, _) = try text(of: ffmpeg, ["-version"])
    guard status == 0, let line = output.split(separator: "\n").first else { throw .ffmpegMissing(program: ffmpeg) }
    return String(line)
  }

  /// Options that come before every input file.
  static func input(_ path: String) -> [String] {
    let picture = StillPicture.demuxer(of: path)
    return ["-protocol_whitelist", "file,pipe", "-format_whitelist", picture ?? formats]
      + (picture.map { ["-f", $0] } ?? [])
      + ["-i", "file:" + path]
  }

  func text(
    of program: String, _ arguments: [String]
  ) throws(ClipError) -> (status: Int32?, output: String, errors: String) {
    var output: [UInt8] = []
    let result = try run(program, arguments) {
      output += $0
      return output.count < 1 << 20
    }
    return (result.status, String(decoding: output, as: UTF8.self), result.errors)
  }

  func run(
    _ program: String, _ arguments: [String], produce: (() -> [UInt8])? = nil,
    consume: (UnsafeRawBufferPointer) -> Bool
  ) throws(ClipError) -> ChildProcess.Result {
    do throws(ChildProcess.Failure) {
      return try ChildProcess.run(program, arguments, produce: produce, consume: consume)
    } catch .stopped {
      return ChildProcess.Result(status: nil, errors: "it gave more than it should")
    } catch {
      throw .ffmpegMissing(program: program)
    }
  }

  /// What ffmpeg said last, without its own addresses and names.
  static func reason(_ errors: String, _ otherwise: String) -> String {
    let line = errors.split(whereSeparator: \.isNewline).last.map(String.init) ?? otherwise
    let text = line.replacingOccurrences(of: #"^(\[[^\]]*\] *)?(file:.*: )?"#, with: "", options: .regularExpression)
    let shown = text.unicodeScalars.filter { !$0.properties.generalCategory.isControl }
    return String(String(String.UnicodeScalarView(shown)).prefix(200)).trimmingCharacters(
      in: CharacterSet(charactersIn: " ."))
  }
}

extension Unicode.GeneralCategory {
  fileprivate var isControl: Bool { self == .control || self == .format }
}
