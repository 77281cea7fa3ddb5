import SparseAttention

/// How a family's latents relate to pixels: compression, scaling, and how they are packed into tokens.
public struct LatentSpace: Equatable, Sendable {
  /// Pixels a latent, in rows and columns.
  public var spatial: Int
  /// Frames a latent but for the first, which has one of its own: (frames − 1)/temporal + 1 latents.
  public var temporal: Int
  /// The model's latents are (the VAE's − mean) / deviation: one value, or one a channel.
  public var mean: [Double] = [0]
  public var deviation: [Double] = [1]
  /// A box of latents that makes a token, whose features are channel, frame, row, column.
  public var pack = Grid(frames: 1, rows: 1, columns: 1)

  public init(spatial: Int, temporal: Int) {
    self.spatial = spatial
    self.temporal = temporal
  }

  /// Channels that the scaling is for; nil: any.
  public var channels: Int? {
    let count = max(mean.count, deviation.count)
    return count > 1 ? count : nil
  }

  /// From the VAE's latents, channel by channel, to the model's.
  public func scaled(_ values: [Float], channels: Int) -> [Float] {
    mapped(values, channels) { value, mean, deviation in (value - mean) / deviation }
  }

  /// From the model's latents to the VAE's.
  public func unscaled(_ values: [Float], channels: Int) -> [Float] {
    mapped(values, channels) { value, mean, deviation in value * deviation + mean }
  }

  private func mapped(
    _ values: [Float], _ channels: Int, _ function: (Double, Double, Double) -> Double
  ) -> [Float] {
    guard channels > 0, mean != [0] || deviation != [1] else { return values }
    let plane = max(1, values.count / channels)
    return values.indices.map { index in
      let channel = index / plane
      return Float(function(Double(values[index]), mean[channel % mean.count], deviation[channel % deviation.count]))
    }
  }
}

extension Grid {
  /// frames · rows · columns, which an adapter's and a clip's limits keep far from overflow.
  package var volume: Int { frames &* rows &* columns }
}
