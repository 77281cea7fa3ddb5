#pragma once
// The part of ONNX Runtime's C API that we call, declared by us: its headers are in no package that we can depend on.
//
// `OrtApi` is a table that only ever grows, so a function's place in it is a fact of the ABI: fields that we do not
// call are gaps, and the offset of every named field is asserted. All of them are there from API 17, of ONNX Runtime
// 1.17. Enumerations are int32_t.
#include <stddef.h>
#include <stdint.h>

#define CORT_API_VERSION 17

typedef struct OrtAllocator OrtAllocator;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtEnv OrtEnv;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtModelMetadata OrtModelMetadata;
typedef struct OrtOpAttr OrtOpAttr;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtShapeInferContext OrtShapeInferContext;
typedef struct OrtStatus OrtStatus;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtValue OrtValue;
typedef struct OrtCustomOp OrtCustomOp;

// A status is null for success; any other must be released by `ReleaseStatus`.
typedef struct OrtApi {
  OrtStatus *(*CreateStatus)(int32_t code, const char *message);
  int32_t (*GetErrorCode)(const OrtStatus *status);
  const char *(*GetErrorMessage)(const OrtStatus *status);
  OrtStatus *(*CreateEnv)(int32_t log_level, const char *log_id, OrtEnv **out);
  void *_gap0[3];
  OrtStatus *(*CreateSession)(const OrtEnv *env, const char *path, const OrtSessionOptions *options,
      OrtSession **out);
  OrtStatus *(*CreateSessionFromArray)(const OrtEnv *env, const void *model, size_t length,
      const OrtSessionOptions *options, OrtSession **out);
  OrtStatus *(*Run)(OrtSession *session, const OrtRunOptions *options, const char *const *input_names,
      const OrtValue *const *inputs, size_t input_count, const char *const *output_names, size_t output_count,
      OrtValue **outputs);
  OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **out);
  OrtStatus *(*SetOptimizedModelFilePath)(OrtSessionOptions *options, const char *path);
  void *_gap1[1];
  OrtStatus *(*SetSessionExecutionMode)(OrtSessionOptions *options, int32_t mode);
  OrtStatus *(*EnableProfiling)(OrtSessionOptions *options, const char *file_prefix);
  void *_gap2[4];
  OrtStatus *(*DisableCpuMemArena)(OrtSessionOptions *options);
  void *_gap3[2];
  OrtStatus *(*SetSessionLogSeverityLevel)(OrtSessionOptions *options, int level);
  OrtStatus *(*SetSessionGraphOptimizationLevel)(OrtSessionOptions *options, int32_t level);
  OrtStatus *(*SetIntraOpNumThreads)(OrtSessionOptions *options, int threads);
  OrtStatus *(*SetInterOpNumThreads)(OrtSessionOptions *options, int threads);
  OrtStatus *(*CreateCustomOpDomain)(const char *domain, OrtCustomOpDomain **out);
  OrtStatus *(*CustomOpDomain_Add)(OrtCustomOpDomain *domain, const OrtCustomOp *op);
  OrtStatus *(*AddCustomOpDomain)(OrtSessionOptions *options, OrtCustomOpDomain *domain);
  void *_gap4[1];
  OrtStatus *(*SessionGetInputCount)(const OrtSession *session, size_t *out);
  OrtStatus *(*SessionGetOutputCount)(const OrtSession *session, size_t *out);
  OrtStatus *(*SessionGetOverridableInitializerCount)(const OrtSession *session, size_t *out);
  OrtStatus *(*SessionGetInputTypeInfo)(const OrtSession *session, size_t index, OrtTypeInfo **out);
  OrtStatus *(*SessionGetOutputTypeInfo)(const OrtSession *session, size_t index, OrtTypeInfo **out);
  OrtStatus *(*SessionGetOverridableInitializerTypeInfo)(const OrtSession *session, size_t index, OrtTypeInfo **out);
  OrtStatus *(*SessionGetInputName)(const OrtSession *session, size_t index, OrtAllocator *allocator, char **out);
  OrtStatus *(*SessionGetOutputName)(const OrtSession *session, size_t index, OrtAllocator *allocator, char **out);
  OrtStatus *(*SessionGetOverridableInitializerName)(const OrtSession *session, size_t index, OrtAllocator *allocator,
      char **out);
  OrtStatus *(*CreateRunOptions)(OrtRunOptions **out);
  void *_gap5[6];
  OrtStatus *(*RunOptionsSetTerminate)(OrtRunOptions *options);
  void *_gap6[2];
  OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *info, void *data, size_t byte_count,
      const int64_t *shape, size_t rank, int32_t element_type, OrtValue **out);
  OrtStatus *(*IsTensor)(const OrtValue *value, int *out);
  OrtStatus *(*GetTensorMutableData)(OrtValue *value, void **out);
  void *_gap7[3];
  OrtStatus *(*CastTypeInfoToTensorInfo)(const OrtTypeInfo *info, const OrtTensorTypeAndShapeInfo **out);
  void *_gap8[1];
  OrtStatus *(*CreateTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo **out);
  OrtStatus *(*SetTensorElementType)(OrtTensorTypeAndShapeInfo *info, int32_t element_type);
  OrtStatus *(*SetDimensions)(OrtTensorTypeAndShapeInfo *info, const int64_t *values, size_t count);
  OrtStatus *(*GetTensorElementType)(const OrtTensorTypeAndShapeInfo *info, int32_t *out);
  OrtStatus *(*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo *info, size_t *out);
  OrtStatus *(*GetDimensions)(const OrtTensorTypeAndShapeInfo *info, int64_t *values, size_t count);
  OrtStatus *(*GetSymbolicDimensions)(const OrtTensorTypeAndShapeInfo *info, const char **names, size_t count);
  OrtStatus *(*GetTensorShapeElementCount)(const OrtTensorTypeAndShapeInfo *info, size_t *out);
  OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *value, OrtTensorTypeAndShapeInfo **out);
  void *_gap9[3];
  OrtStatus *(*CreateCpuMemoryInfo)(int32_t allocator_type, int32_t memory_type, OrtMemoryInfo **out);
  void *_gap10[5];
  OrtStatus *(*AllocatorAlloc)(OrtAllocator *allocator, size_t byte_count, void **out);
  OrtStatus *(*AllocatorFree)(OrtAllocator *allocator, void *pointer);
  void *_gap11[1];
  OrtStatus *(*GetAllocatorWithDefaultOptions)(OrtAllocator **out);
  void *_gap12[6];
  OrtStatus *(*KernelInfoGetAttribute_float)(const OrtKernelInfo *info, const char *name, float *out);
  OrtStatus *(*KernelInfoGetAttribute_int64)(const OrtKernelInfo *info, const char *name, int64_t *out);
  OrtStatus *(*KernelInfoGetAttribute_string)(const OrtKernelInfo *info, const char *name, char *out, size_t *length);
  OrtStatus *(*KernelContext_GetInputCount)(const OrtKernelContext *context, size_t *out);
  OrtStatus *(*KernelContext_GetOutputCount)(const OrtKernelContext *context, size_t *out);
  OrtStatus *(*KernelContext_GetInput)(const OrtKernelContext *context, size_t index, const OrtValue **out);
  OrtStatus *(*KernelContext_GetOutput)(OrtKernelContext *context, size_t index, const int64_t *shape, size_t rank,
      OrtValue **out);
  void (*ReleaseEnv)(OrtEnv *env);
  void (*ReleaseStatus)(OrtStatus *status);
  void (*ReleaseMemoryInfo)(OrtMemoryInfo *info);
  void (*ReleaseSession)(OrtSession *session);
  void (*ReleaseValue)(OrtValue *value);
  void (*ReleaseRunOptions)(OrtRunOptions *options);
  void (*ReleaseTypeInfo)(OrtTypeInfo *info);
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *info);
  void (*ReleaseSessionOptions)(OrtSessionOptions *options);
  void *_gap13[9];
  OrtStatus *(*SessionEndProfiling)(OrtSession *session, OrtAllocator *allocator, char **out);
  OrtStatus *(*SessionGetModelMetadata)(const OrtSession *session, OrtModelMetadata **out);
  OrtStatus *(*ModelMetadataGetProducerName)(const OrtModelMetadata *metadata, OrtAllocator *allocator, char **out);
  OrtStatus *(*ModelMetadataGetGraphName)(const OrtModelMetadata *metadata, OrtAllocator *allocator, char **out);
  void *_gap14[2];
  OrtStatus *(*ModelMetadataLookupCustomMetadataMap)(const OrtModelMetadata *metadata, OrtAllocator *allocator,
      const char *key, char **out);
  void *_gap15[1];
  void (*ReleaseModelMetadata)(OrtModelMetadata *metadata);
  void *_gap16[4];
  OrtStatus *(*ModelMetadataGetCustomMetadataMapKeys)(const OrtModelMetadata *metadata, OrtAllocator *allocator,
      char ***keys, int64_t *count);
  OrtStatus *(*AddFreeDimensionOverrideByName)(OrtSessionOptions *options, const char *name, int64_t value);
  OrtStatus *(*GetAvailableProviders)(char ***out, int *count);
  OrtStatus *(*ReleaseAvailableProviders)(char **names, int count);
  void *_gap17[3];
  OrtStatus *(*AddSessionConfigEntry)(OrtSessionOptions *options, const char *key, const char *value);
  void *_gap18[1];
  void (*ReleaseAllocator)(OrtAllocator *allocator);
  void *_gap19[29];
  OrtStatus *(*KernelInfoGetAttributeArray_float)(const OrtKernelInfo *info, const char *name, float *out,
      size_t *count);
  OrtStatus *(*KernelInfoGetAttributeArray_int64)(const OrtKernelInfo *info, const char *name, int64_t *out,
      size_t *count);
  void *_gap20[48];
  void (*ReleaseOpAttr)(OrtOpAttr *attribute);
  void *_gap21[15];
  OrtStatus *(*RegisterCustomOpsLibrary_V2)(OrtSessionOptions *options, const char *path);
  void *_gap22[2];
  OrtStatus *(*KernelInfo_GetOutputCount)(const OrtKernelInfo *info, size_t *out);
  void *_gap23[4];
  OrtStatus *(*KernelInfoGetAttribute_tensor)(const OrtKernelInfo *info, const char *name, OrtAllocator *allocator,
      OrtValue **out);
  void *_gap24[7];
  OrtStatus *(*KernelInfo_GetNodeName)(const OrtKernelInfo *info, char *out, size_t *length);
  void *_gap25[8];
  OrtStatus *(*KernelContext_GetAllocator)(const OrtKernelContext *context, const OrtMemoryInfo *info,
      OrtAllocator **out);
  void *_gap26[13];
  OrtStatus *(*ShapeInferContext_GetInputCount)(const OrtShapeInferContext *context, size_t *out);
  OrtStatus *(*ShapeInferContext_GetInputTypeShape)(const OrtShapeInferContext *context, size_t index,
      OrtTensorTypeAndShapeInfo **borrowed);
  OrtStatus *(*ShapeInferContext_GetAttribute)(const OrtShapeInferContext *context, const char *name,
      const OrtOpAttr **out);
  OrtStatus *(*ShapeInferContext_SetOutputTypeShape)(const OrtShapeInferContext *context, size_t index,
      const OrtTensorTypeAndShapeInfo *info);
  OrtStatus *(*SetSymbolicDimensions)(OrtTensorTypeAndShapeInfo *info, const char **names, size_t count);
  OrtStatus *(*ReadOpAttr)(const OrtOpAttr *attribute, int32_t kind, void *data, size_t length, size_t *out);
  void *_gap27[1];
  OrtStatus *(*KernelContext_ParallelFor)(const OrtKernelContext *context, void (*body)(void *, size_t), size_t total,
      size_t batches, void *user_data);
} OrtApi;

#define ORT_API_AT(field, index) \
  _Static_assert(offsetof(OrtApi, field) == (index) * sizeof(void *), #field " is not at its place")
ORT_API_AT(CreateStatus, 0);
ORT_API_AT(GetErrorCode, 1);
ORT_API_AT(GetErrorMessage, 2);
ORT_API_AT(CreateEnv, 3);
ORT_API_AT(CreateSession, 7);
ORT_API_AT(CreateSessionFromArray, 8);
ORT_API_AT(Run, 9);
ORT_API_AT(CreateSessionOptions, 10);
ORT_API_AT(SetOptimizedModelFilePath, 11);
ORT_API_AT(SetSessionExecutionMode, 13);
ORT_API_AT(EnableProfiling, 14);
ORT_API_AT(DisableCpuMemArena, 19);
ORT_API_AT(SetSessionLogSeverityLevel, 22);
ORT_API_AT(SetSessionGraphOptimizationLevel, 23);
ORT_API_AT(SetIntraOpNumThreads, 24);
ORT_API_AT(SetInterOpNumThreads, 25);
ORT_API_AT(CreateCustomOpDomain, 26);
ORT_API_AT(CustomOpDomain_Add, 27);
ORT_API_AT(AddCustomOpDomain, 28);
ORT_API_AT(SessionGetInputCount, 30);
ORT_API_AT(SessionGetOutputCount, 31);
ORT_API_AT(SessionGetOverridableInitializerCount, 32);
ORT_API_AT(SessionGetInputTypeInfo, 33);
ORT_API_AT(SessionGetOutputTypeInfo, 34);
ORT_API_AT(SessionGetOverridableInitializerTypeInfo, 35);
ORT_API_AT(SessionGetInputName, 36);
ORT_API_AT(SessionGetOutputName, 37);
ORT_API_AT(SessionGetOverridableInitializerName, 38);
ORT_API_AT(CreateRunOptions, 39);
ORT_API_AT(RunOptionsSetTerminate, 46);
ORT_API_AT(CreateTensorWithDataAsOrtValue, 49);
ORT_API_AT(IsTensor, 50);
ORT_API_AT(GetTensorMutableData, 51);
ORT_API_AT(CastTypeInfoToTensorInfo, 55);
ORT_API_AT(CreateTensorTypeAndShapeInfo, 57);
ORT_API_AT(SetTensorElementType, 58);
ORT_API_AT(SetDimensions, 59);
ORT_API_AT(GetTensorElementType, 60);
ORT_API_AT(GetDimensionsCount, 61);
ORT_API_AT(GetDimensions, 62);
ORT_API_AT(GetSymbolicDimensions, 63);
ORT_API_AT(GetTensorShapeElementCount, 64);
ORT_API_AT(GetTensorTypeAndShape, 65);
ORT_API_AT(CreateCpuMemoryInfo, 69);
ORT_API_AT(AllocatorAlloc, 75);
ORT_API_AT(AllocatorFree, 76);
ORT_API_AT(GetAllocatorWithDefaultOptions, 78);
ORT_API_AT(KernelInfoGetAttribute_float, 85);
ORT_API_AT(KernelInfoGetAttribute_int64, 86);
ORT_API_AT(KernelInfoGetAttribute_string, 87);
ORT_API_AT(KernelContext_GetInputCount, 88);
ORT_API_AT(KernelContext_GetOutputCount, 89);
ORT_API_AT(KernelContext_GetInput, 90);
ORT_API_AT(KernelContext_GetOutput, 91);
ORT_API_AT(ReleaseEnv, 92);
ORT_API_AT(ReleaseStatus, 93);
ORT_API_AT(ReleaseMemoryInfo, 94);
ORT_API_AT(ReleaseSession, 95);
ORT_API_AT(ReleaseValue, 96);
ORT_API_AT(ReleaseRunOptions, 97);
ORT_API_AT(ReleaseTypeInfo, 98);
ORT_API_AT(ReleaseTensorTypeAndShapeInfo, 99);
ORT_API_AT(ReleaseSessionOptions, 100);
ORT_API_AT(SessionEndProfiling, 110);
ORT_API_AT(SessionGetModelMetadata, 111);
ORT_API_AT(ModelMetadataGetProducerName, 112);
ORT_API_AT(ModelMetadataGetGraphName, 113);
ORT_API_AT(ModelMetadataLookupCustomMetadataMap, 116);
ORT_API_AT(ReleaseModelMetadata, 118);
ORT_API_AT(ModelMetadataGetCustomMetadataMapKeys, 123);
ORT_API_AT(AddFreeDimensionOverrideByName, 124);
ORT_API_AT(GetAvailableProviders, 125);
ORT_API_AT(ReleaseAvailableProviders, 126);
ORT_API_AT(AddSessionConfigEntry, 130);
ORT_API_AT(ReleaseAllocator, 132);
ORT_API_AT(KernelInfoGetAttributeArray_float, 162);
ORT_API_AT(KernelInfoGetAttributeArray_int64, 163);
ORT_API_AT(ReleaseOpAttr, 212);
ORT_API_AT(RegisterCustomOpsLibrary_V2, 228);
ORT_API_AT(KernelInfo_GetOutputCount, 231);
ORT_API_AT(KernelInfoGetAttribute_tensor, 236);
ORT_API_AT(KernelInfo_GetNodeName, 244);
ORT_API_AT(KernelContext_GetAllocator, 253);
ORT_API_AT(ShapeInferContext_GetInputCount, 267);
ORT_API_AT(ShapeInferContext_GetInputTypeShape, 268);
ORT_API_AT(ShapeInferContext_GetAttribute, 269);
ORT_API_AT(ShapeInferContext_SetOutputTypeShape, 270);
ORT_API_AT(SetSymbolicDimensions, 271);
ORT_API_AT(ReadOpAttr, 272);
ORT_API_AT(KernelContext_ParallelFor, 274);
#undef ORT_API_AT

typedef struct OrtApiBase {
  // Null, and a line on stderr, where the runtime is older than the version asked for.
  const OrtApi *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

// An operator as ONNX Runtime calls it. Fields up to version 18; the callbacks get this struct's address as `op`.
struct OrtCustomOp {
  uint32_t version;
  void *(*CreateKernel)(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info);
  const char *(*GetName)(const OrtCustomOp *op);
  const char *(*GetExecutionProviderType)(const OrtCustomOp *op);
  int32_t (*GetInputType)(const OrtCustomOp *op, size_t index);
  size_t (*GetInputTypeCount)(const OrtCustomOp *op);
  int32_t (*GetOutputType)(const OrtCustomOp *op, size_t index);
  size_t (*GetOutputTypeCount)(const OrtCustomOp *op);
  void (*KernelCompute)(void *kernel, OrtKernelContext *context);
  void (*KernelDestroy)(void *kernel);
  int32_t (*GetInputCharacteristic)(const OrtCustomOp *op, size_t index);
  int32_t (*GetOutputCharacteristic)(const OrtCustomOp *op, size_t index);
  int32_t (*GetInputMemoryType)(const OrtCustomOp *op, size_t index);
  int (*GetVariadicInputMinArity)(const OrtCustomOp *op);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp *op);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp *op);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp *op);
  OrtStatus *(*CreateKernelV2)(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **kernel);
  OrtStatus *(*KernelComputeV2)(void *kernel, OrtKernelContext *context);
  OrtStatus *(*InferOutputShapeFn)(const OrtCustomOp *op, OrtShapeInferContext *context);
  int (*GetStartVersion)(const OrtCustomOp *op);
  int (*GetEndVersion)(const OrtCustomOp *op);
  size_t (*GetMayInplace)(int **inputs, int **outputs);
  void (*ReleaseMayInplace)(int *inputs, int *outputs);
  size_t (*GetAliasMap)(int **inputs, int **outputs);
  void (*ReleaseAliasMap)(int *inputs, int *outputs);
};

#define ORT_OP_AT(field, offset) \
  _Static_assert(offsetof(OrtCustomOp, field) == (offset), #field " is not at its place")
ORT_OP_AT(CreateKernel, 8);
ORT_OP_AT(GetInputType, 32);
ORT_OP_AT(KernelCompute, 64);
ORT_OP_AT(GetInputCharacteristic, 80);
ORT_OP_AT(GetInputMemoryType, 96);
ORT_OP_AT(CreateKernelV2, 136);
ORT_OP_AT(InferOutputShapeFn, 152);
ORT_OP_AT(GetStartVersion, 160);
ORT_OP_AT(GetAliasMap, 192);
_Static_assert(sizeof(OrtCustomOp) == 208, "OrtCustomOp has another size");
#undef ORT_OP_AT

// OrtErrorCode
enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2, ORT_RUNTIME_EXCEPTION = 6, ORT_NOT_IMPLEMENTED = 9 };
// OrtOpAttrType, for ReadOpAttr
enum { ORT_ATTRIBUTE_INT = 1, ORT_ATTRIBUTE_STRING = 5 };
// OrtCustomOpInputOutputCharacteristic
enum { ORT_INPUT_REQUIRED = 0, ORT_INPUT_OPTIONAL = 1 };

// Reads a list of strings; strings and list are the allocator's. In ONNX Runtime 1.28 and newer, past the end of older
// tables: `api` must be the runtime's own table, no copy.
static inline OrtStatus *cort_attribute_strings(const OrtApi *api, const OrtKernelInfo *info, const char *name,
    OrtAllocator *allocator, char ***out, size_t *count) {
  typedef OrtStatus *(*Function)(const OrtKernelInfo *, const char *, OrtAllocator *, char ***, size_t *);
  return ((const Function *)api)[417](info, name, allocator, out, count);
}

// Opens the shared library at `path` and asks it for its API; null with the loader's text in `error` where that fails.
// The library stays open for the process's life.
const OrtApiBase *cort_open(const char *path, char *error, size_t error_size);

// CPUs that this process may use; 0 where that is not known.
int cort_processors(void);
