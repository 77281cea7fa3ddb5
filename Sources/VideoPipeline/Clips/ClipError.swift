/// Why a clip cannot be read or written.
public enum ClipError: Error, Equatable, Sendable {
  case ffmpegMissing(program: String)
  case encoderMissing(String)
  case noSuchFile(String)
  case doesNotDecode(String, reason: String)
  case tooShort(String, frames: Int, needed: Int)
  /// One frame where more are needed.
  case isPicture(String, needed: Int)
  case tooSmall(String, width: Int, height: Int, neededWidth: Int, neededHeight: Int)
  case tooLarge(String, width: Int, height: Int)
  case badRequest(String)
  case cannotWrite(String, reason: String)

  public var message: String {
    switch self {
    case .ffmpegMissing(let program):
      "\(program) was not found on PATH; install ffmpeg (on Debian: apt-get install ffmpeg)."
    case .encoderMissing(let encoder):
      "This ffmpeg has no encoder \(encoder); install one that has it (on Debian: apt-get install ffmpeg)."
    case .noSuchFile(let path): "\(path): no such file; check the path."
    case .doesNotDecode(let path, let reason):
      "\(path) does not decode: \(reason); give a video or a picture that ffmpeg can read."
    case .tooShort(let path, let frames, let needed):
      "\(path) has \(frames) frame\(frames == 1 ? "" : "s") but \(needed) are needed; "
        + "give a longer clip or fewer --frames."
    case .isPicture(let path, let needed):
      "\(path) is a picture, which is one frame, but \(needed) are needed; give a clip, or --frames 1."
    case .tooSmall(let path, let width, let height, let neededWidth, let neededHeight):
      "\(path) is \(width)x\(height), smaller than \(neededWidth)x\(neededHeight); "
        + "give a larger clip or a smaller --size."
    case .tooLarge(let path, let width, let height):
      "\(path) is \(width)x\(height), more than \(FFmpeg.maximumPixels) pixels, the limit; scale it down first."
    case .badRequest(let what): "\(what)."
    case .cannotWrite(let path, let reason):
      "\(path) cannot be written: \(reason); choose another output with -o."
    }
  }

  /// sysexits: 69 something is missing, 66 no such input, 65 the data is wrong, 64 usage, 73 cannot create.
  public var exitCode: Int32 {
    switch self {
    case .ffmpegMissing, .encoderMissing: 69
    case .noSuchFile: 66
    case .doesNotDecode, .tooShort, .isPicture, .tooSmall, .tooLarge: 65
    case .badRequest: 64
    case .cannotWrite: 73
    }
  }
}
