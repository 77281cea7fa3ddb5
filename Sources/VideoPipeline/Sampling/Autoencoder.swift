import OnnxRuntime
import SparseAttention

/// A VAE's halves as models of their own: a video to the latents that the transformer works on, and back.
///
/// The encoder takes [1, 3, F, H, W], or a frame [1, 3, H, W] at a time, and gives the latents' mean, or mean and
/// logarithm of the variance along the channels. The decoder takes the same the other way.
public struct Autoencoder: Sendable {
  private let latent: LatentSpace
  private let pixels: Adapter.PixelRange
  private let channels: Int
  private let grid: Grid

  /// - Throws: `SamplerError` where the adapter's scaling is for another number of channels than the model has.
  public init(_ run: EditRun) throws(SamplerError) {
    try self.init(run.match.adapter, channels: run.channels, grid: run.grid)
  }

  public init(_ adapter: Adapter, channels: Int, grid: Grid) throws(SamplerError) {
    let latent = adapter.latent ?? LatentSpace(spatial: 1, temporal: 1)
    if let wanted = latent.channels, wanted != channels {
      throw .autoencoder("latents' scaling in \(adapter.name)", expected: [wanted], actual: [channels])
    }
    self.latent = latent
    self.channels = channels
    self.grid = grid
    pixels = adapter.pixels
  }

  /// The model's latents of a video.
  /// - Parameter model: the encoder: its input's rank and type, and one run of it.
  /// - Throws: `SamplerError.autoencoder`, and what `model` throws.
  public func encoded(
    _ video: Video, rank: Int, type: ElementType, model: (Tensor) throws -> Tensor
  ) throws -> [Float] {
    let values = pixels.model(video.values)
    let size = Grid(frames: video.frames, rows: video.height, columns: video.width)
    var frames: [[Float]] = []
    for part in split(values, 3, size, rank) {
      let shape = shape(3, part.grid, rank)
      let output = try model(Tensor(floats: part.values, shape: shape, as: type))
      let expected = self.shape(channels, rank == 4 ? Grid(frames: 1, rows: grid.rows, columns: grid.columns) : grid, rank)
      var moments = expected
      moments[1] *= 2
      guard output.shape == expected || output.shape == moments else {
        throw SamplerError.autoencoder("encoder", expected: expected, actual: output.shape)
      }
      frames.append(Array(output.floats.prefix(elementCount(expected) ?? 0)))
    }
    return latent.scaled(joined(frames, channels, grid), channels: channels)
  }

  /// The video of the model's latents.
  /// - Parameter size: that the video is to have.
  public func decoded(
    _ latents: [Float], size: ClipSize, rank: Int, type: ElementType, model: (Tensor) throws -> Tensor
  ) throws -> Video {
    let full = Grid(frames: size.frames, rows: size.height, columns: size.width)
    var frames: [[Float]] = []
    for part in split(latent.unscaled(latents, channels: channels), channels, grid, rank) {
      let output = try model(Tensor(floats: part.values, shape: shape(channels, part.grid, rank), as: type))
      let expected = shape(3, rank == 4 ? Grid(frames: 1, rows: size.height, columns: size.width) : full, rank)
      guard output.shape == expected else {
        throw SamplerError.autoencoder("decoder", expected: expected, actual: output.shape)
      }
      frames.append(output.floats)
    }
    let values = pixels.video(joined(frames, 3, full))
    guard let video = Video(size, values: values) else {
      throw SamplerError.autoencoder("decoder", expected: shape(3, full, 5), actual: [values.count])
    }
    return video
  }

  private func shape(_ channels: Int, _ grid: Grid, _ rank: Int) -> [Int] {
    rank == 4
      ? [grid.frames, channels, grid.rows, grid.columns] : [1, channels, grid.frames, grid.rows, grid.columns]
  }

  /// The whole, or frame by frame where the model takes pictures.
  private func split(_ values: [Float], _ channels: Int, _ grid: Grid, _ rank: Int) -> [(values: [Float], grid: Grid)] {
    guard rank == 4 else { return [(values, grid)] }
    let plane = grid.rows * grid.columns
    return (0..<grid.frames).map { frame in
      let picture = (0..<channels).flatMap { channel in
        let start = (channel * grid.frames + frame) * plane
        return values[start..<start + plane]
      }
      return (picture, Grid(frames: 1, rows: grid.rows, columns: grid.columns))
    }
  }

  private func joined(_ parts: [[Float]], _ channels: Int, _ grid: Grid) -> [Float] {
    guard parts.count > 1 else { return parts.first ?? [] }
    let plane = grid.rows * grid.columns
    return (0..<channels).flatMap { channel in
      parts.flatMap { $0[channel * plane..<(channel + 1) * plane] }
    }
  }
}
