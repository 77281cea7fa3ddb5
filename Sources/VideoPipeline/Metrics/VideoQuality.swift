import Glibc

/// How near a video is to a reference: of the whole clip and of its worst frame.
public struct VideoQuality: Equatable, Sendable {
  /// dB; infinite where equal.
  public let psnr: Double
  /// Mean over frames and channels, at most 1.
  public let ssim: Double
  /// dB, by frame.
  public let framePSNR: [Double]
  /// By frame, mean over channels.
  public let frameSSIM: [Double]

  /// Number of the frame with the lowest PSNR.
  public var worstFrame: Int { framePSNR.indices.min { framePSNR[$0] < framePSNR[$1] } ?? 0 }

  /// nil for videos of different sizes or without pixels.
  public init?(of video: Video, against reference: Video) {
    guard video.shape == reference.shape, !video.values.isEmpty else { return nil }
    var squares: [Double] = []
    var similarities: [Double] = []
    let plane = video.height * video.width
    let structure = StructuralSimilarity(height: video.height, width: video.width)
    for frame in 0..<video.frames {
      var square = 0.0
      var similarity = 0.0
      for channel in 0..<3 {
        let start = (channel * video.frames + frame) * plane
        let a = (start..<start + plane).map { Self.clipped(video.values[$0], reference.values[$0]) }
        let b = (start..<start + plane).map { Self.clipped(reference.values[$0], nil) }
        for (x, y) in zip(a, b) { square += (x - y) * (x - y) }
        similarity += structure.mean(a, b)
      }
      squares.append(square)
      similarities.append(similarity / 3)
    }
    let count = Double(3 * plane)
    framePSNR = squares.map { Self.psnr($0 / count) }
    psnr = Self.psnr(squares.reduce(0, +) / (count * Double(video.frames)))
    frameSSIM = similarities
    ssim = similarities.reduce(0, +) / Double(video.frames)
  }

  /// 10 log₁₀(peak²/mse), peak 2.
  static func psnr(_ meanSquare: Double) -> Double { 10 * log10(4 / meanSquare) }

  /// What is not a number counts as wrong by half the range at least, never as right.
  private static func clipped(_ value: Float, _ reference: Float?) -> Double {
    if value.isNaN { return (reference ?? 0) > 0 ? -1 : 1 }
    return Double(min(1, max(-1, value)))
  }
}
