import OnnxRuntime

/// What a run is given besides its seed: all of it, where the adapter asks for it.
public struct RunInputs: Sendable {
  /// The source clip in [−1, 1]; for latent models beside its latents, or nil.
  public var source: Video?
  /// The model's latents: channels, frames, rows, columns.
  public var sourceLatents: [Float]?
  /// Of a grey clip.
  public var blankLatents: [Float]?
  /// Of the source's first frame, grey from there on.
  public var firstFrameLatents: [Float]?
  /// The number of the edit.
  public var condition: Int64?
  /// Arrays of the text file, and of the one for guidance's negative branch.
  public var text: [String: Tensor]
  public var negativeText: [String: Tensor]

  public init(
    source: Video? = nil, condition: Int64? = nil, text: [String: Tensor] = [:], negativeText: [String: Tensor] = [:]
  ) {
    self.source = source
    self.condition = condition
    self.text = text
    self.negativeText = negativeText
  }
}

/// Size of a clip in pixels, its rate, and the shape of its pixels.
public struct ClipSize: Equatable, Sendable {
  public var frames: Int
  public var height: Int
  public var width: Int
  public var rate: FrameRate
  public var pixelAspect = PixelAspect.square

  public init(frames: Int, height: Int, width: Int, rate: FrameRate = .default) {
    self.frames = frames
    self.height = height
    self.width = width
    self.rate = rate
  }
}

extension Video {
  /// The same size, grey throughout or from a frame on.
  public func grey(from frame: Int) -> Video {
    var result = self
    let plane = height * width
    for index in values.indices where index / plane % frames >= frame { result.values[index] = 0 }
    return result
  }

  public var size: ClipSize {
    var size = ClipSize(frames: frames, height: height, width: width, rate: rate)
    size.pixelAspect = pixelAspect
    return size
  }

  /// The same frames, then grey ones; nil where it has more.
  public func extended(to count: Int) -> Video? {
    guard count > frames else { return count == frames ? self : nil }
    let plane = height * width
    var values: [Float] = []
    values.reserveCapacity(3 * count * plane)
    for channel in 0..<3 {
      values += self.values[channel * frames * plane..<(channel + 1) * frames * plane]
      values += Array(repeating: 0, count: (count - frames) * plane)
    }
    var result = Video(frames: count, height: height, width: width, values: values, rate: rate)
    result?.pixelAspect = pixelAspect
    return result
  }
}

extension RunInputs {
  /// Values that only take time, for measuring a step: noise for latents and texts of the usual length.
  /// - Throws: `AdapterError` where the clip's size does not suit the model.
  public static func invented(
    _ match: AdapterMatch, source: Video, condition: Int64?
  ) throws(AdapterError) -> RunInputs {
    let adapter = match.adapter
    let grid = try adapter.latentGrid(frames: source.frames, width: source.width, height: source.height)
    var given = RunInputs(source: source, condition: condition)
    if adapter.latent != nil, let channels = match.channels {
      given.sourceLatents = Noise.normal(count: channels * grid.volume, seed: 1)
      given.blankLatents = given.sourceLatents
      given.firstFrameLatents = given.sourceLatents
    }
    for input in match.inputs where input.role == .text {
      let shape = input.port.dims.map { dim in
        switch dim {
        case .fixed(let length): length
        case .named(let name):
          if case .fixed(let length)? = match.axes[name] {
            length
          } else {
            adapter.axis(named: name)?.meaning == .text ? Self.inventedTokens : 1
          }
        }
      }
      let values = Noise.normal(count: elementCount(shape) ?? 0, seed: 2)
      given.text[input.arrayName] = try? Tensor(values, shape: shape)
    }
    given.negativeText = given.text
    return given
  }

  private static let inventedTokens = 256
}
