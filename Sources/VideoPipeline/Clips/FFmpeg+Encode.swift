import Foundation

extension FFmpeg {
  /// Whether this ffmpeg can write a format, known before the work.
  /// - Throws: `.encoderMissing`.
  public func checkEncoder(for format: ClipFormat) throws(ClipError) {
    let (_, output, errors) = try text(of: ffmpeg, ["-hide_banner", "-h", "encoder=\(format.encoder)"])
    guard output.contains("Encoder \(format.encoder)") || errors.contains("Encoder \(format.encoder)") else {
      throw .encoderMissing(format.encoder)
    }
  }

  /// Writes H.264 (yuv420p, crf 12) in an MP4 file at the video's own rate, or a picture of one frame; with the shape
  /// of its pixels. The file is complete or gone; callers that replace a file give a temporary name and rename it.
  /// - Parameter format: that of the path's ending, else MP4.
  /// - Throws: `.cannotWrite`, `.encoderMissing`, `.badRequest` for a picture of several frames.
  public func encode(_ video: Video, to path: String, as format: ClipFormat? = nil) throws(ClipError) {
    let format = format ?? ClipFormat(path: path) ?? .mp4
    guard !format.isPicture || video.frames == 1 else {
      throw .badRequest("A picture holds one frame, not \(video.frames)")
    }
    guard video.frames > 0, video.width > 0, video.height > 0 else {
      throw .badRequest("A video without frames or pixels cannot be encoded")
    }
    try Self.create(path)
    var written = false
    defer { if !written { unlink(path) } }
    // The chroma planes of yuv420p have half the size.
    let isEven = format != .mp4 || video.width % 2 == 0 && video.height % 2 == 0
    let filters =
      (isEven ? [] : ["pad=ceil(iw/2)*2:ceil(ih/2)*2"])
      + (video.pixelAspect.isSquare ? [] : ["setsar=\(video.pixelAspect.width)/\(video.pixelAspect.height)"])
    let arguments =
      ["-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pixel_format", "rgb24"]
      + ["-video_size", "\(video.width)x\(video.height)", "-framerate", "\(video.rate)", "-i", "pipe:0", "-an"]
      + (filters.isEmpty ? [] : ["-vf", filters.joined(separator: ",")])
      + ["-c:v", format.encoder] + format.options + ["file:" + path]
    var next = 0
    let result = try run(ffmpeg, arguments) {
      defer { next += 1 }
      return next < video.frames ? video.rgb(frame: next) : []
    } consume: { _ in
      true
    }
    // On a full disk ffmpeg says so, leaves half a file and still ends with 0.
    guard result.status == 0, result.errors.isEmpty else {
      if result.errors.contains("Unknown encoder") { throw .encoderMissing(format.encoder) }
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
