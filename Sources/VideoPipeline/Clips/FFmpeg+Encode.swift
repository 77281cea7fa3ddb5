import Foundation

extension FFmpeg {
  /// Writes H.264 (yuv420p, crf 12) in an MP4 file at the video's own rate. The file is complete or gone; callers that
  /// replace a file give a temporary name and rename it.
  /// - Throws: `.cannotWrite`, `.encoderMissing`.
  public func encode(_ video: Video, to path: String) throws(ClipError) {
    guard video.frames > 0, video.width > 0, video.height > 0 else {
      throw .badRequest("A video without frames or pixels cannot be encoded")
    }
    try Self.create(path)
    var written = false
    defer { if !written { unlink(path) } }
    // The chroma planes of yuv420p have half the size.
    let isEven = video.width % 2 == 0 && video.height % 2 == 0
    let arguments =
      ["-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pixel_format", "rgb24"]
      + ["-video_size", "\(video.width)x\(video.height)", "-framerate", "\(video.rate)", "-i", "pipe:0", "-an"]
      + (isEven ? [] : ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"])
      + ["-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", "-bitexact", "-movflags", "+faststart"]
      + ["-f", "mp4", "file:" + path]
    var next = 0
    let result = try run(ffmpeg, arguments) {
      defer { next += 1 }
      return next < video.frames ? video.rgb(frame: next) : []
    } consume: { _ in
      true
    }
    // On a full disk ffmpeg says so, leaves half a file and still ends with 0.
    guard result.status == 0, result.errors.isEmpty else {
      if result.errors.contains("Unknown encoder") { throw .encoderMissing("libx264") }
      let reason = Self.noRoom.first(where: result.errors.contains)?.lowercased()
      throw .cannotWrite(path, reason: reason ?? Self.reason(result.errors, "ffmpeg was ended"))
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_size > 0 else { throw .cannotWrite(path, reason: "ffmpeg wrote nothing") }
    written = true
  }

  /// The system's words for a disk, a quota or a limit that is used up.
  private static let noRoom = [ENOSPC, EFBIG, EDQUOT].map { String(cString: strerror($0)) }

  /// Makes the file ourselves, since the system's reason says more than ffmpeg's.
  private static func create(_ path: String) throws(ClipError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0o644)
    guard descriptor >= 0 else { throw .cannotWrite(path, reason: String(cString: strerror(errno)).lowercased()) }
    close(descriptor)
  }
}
